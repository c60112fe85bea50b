using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using WebSocketServerKit.Raw;

namespace WebSocketServerKit.TestKit;

/// <summary>Kestrel on a loopback port of its own with a server mapped at <c>/ws</c>, whose clients and their ends a test takes one by one.</summary>
internal sealed class MappedHost : IAsyncDisposable
{
    private readonly Channel<WebSocketClient> _connected = Channel.CreateUnbounded<WebSocketClient>();
    private readonly Channel<ClientDisconnectedEventArgs> _disconnected = Channel.CreateUnbounded<ClientDisconnectedEventArgs>();

    private MappedHost(WebApplication application, WebSocketServer server)
    {
        Application = application;
        Server = server;
    }

    /// <summary>A new token that is cancelled after 30 s: what would hang fails.</summary>
    public static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public WebApplication Application { get; }

    public WebSocketServer Server { get; }

    public FakeLogCollector Log { get; private init; } = null!;

    public IPEndPoint EndPoint => new(IPAddress.Loopback, new Uri(Application.Urls.Single()).Port);

    /// <summary>Starts the host and the server. What is not given is the default.</summary>
    /// <param name="subscribe">Adds handlers.</param>
    /// <param name="options">The server's options; no place to listen by default.</param>
    /// <param name="build">Adds services.</param>
    /// <param name="use">Adds middleware in front of the endpoint.</param>
    /// <param name="map">Maps the server; at <c>/ws</c> by default.</param>
    /// <param name="protocols">What Kestrel speaks.</param>
    /// <param name="isStarted">Whether the server is.</param>
    /// <param name="certificate">Kestrel's; null for no TLS.</param>
    public static async Task<MappedHost> StartAsync(
        Action<WebSocketServer>? subscribe = null,
        WebSocketServerOptions? options = null,
        Action<WebApplicationBuilder>? build = null,
        Action<WebApplication>? use = null,
        Action<WebApplication, WebSocketServer>? map = null,
        HttpProtocols protocols = HttpProtocols.Http1,
        bool isStarted = true,
        X509Certificate2? certificate = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        FakeLogCollector log = new();
        builder.Logging.ClearProviders().AddProvider(new FakeLoggerProvider(log));
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = protocols;
            if (certificate is not null)
                listen.UseHttps(certificate);
        }));
        // A stop that waits for requests fails.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        build?.Invoke(builder);
        WebApplication application = builder.Build();
        use?.Invoke(application);
        var host = new MappedHost(application, new WebSocketServer(options ?? new WebSocketServerOptions())) { Log = log };
        subscribe?.Invoke(host.Server);
        // Behind the handlers of the test: a test that takes a client relies on what they have done.
        host.Server.ClientConnected += (_, e) => host._connected.Writer.TryWrite(e.Client);
        host.Server.ClientDisconnected += (_, e) => host._disconnected.Writer.TryWrite(e);
        (map ?? ((application, server) => application.MapWebSocketServer("/ws", server)))(application, host.Server);
        if (isStarted)
            await host.Server.StartAsync(Timely);
        await application.StartAsync(Timely);
        return host;
    }

    /// <summary>One whose server sends every message back.</summary>
    public static Task<MappedHost> StartEchoAsync(WebSocketServerOptions? options = null, HttpProtocols protocols = HttpProtocols.Http1) =>
        StartAsync(Echo, options, protocols: protocols);

    public static void Echo(WebSocketServer server) => server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);

    /// <summary>The next client for which ClientConnected was raised.</summary>
    public async Task<WebSocketClient> NextClientAsync() => await _connected.Reader.ReadAsync(Timely);

    /// <summary>The next end of a client.</summary>
    public async Task<ClientDisconnectedEventArgs> NextEndAsync() => await _disconnected.Reader.ReadAsync(Timely);

    /// <summary>No client has connected that nobody took.</summary>
    public void AssertNoClients() => Assert.False(_connected.Reader.TryRead(out _), "A client has connected.");

    /// <summary>The platform's own client.</summary>
    public async Task<ClientWebSocket> ConnectAsync(string target = "/ws", Action<ClientWebSocketOptions>? configure = null, HttpMessageInvoker? invoker = null)
    {
        var client = new ClientWebSocket();
        configure?.Invoke(client.Options);
        await client.ConnectAsync(new Uri($"ws://{EndPoint}{target}"), invoker, Timely);
        return client;
    }

    public Task<RawClient> OpenRawAsync(string target = "/ws", params string[] headers) => RawClient.OpenAsync(EndPoint, target, tls: null, headers);

    /// <summary>The answer to a request that is sent as it is.</summary>
    public async Task<HttpAnswer> AskAsync(string request, bool toHead = false)
    {
        using RawClient client = await RawClient.ConnectAsync(EndPoint);
        await client.WriteAsync(request);
        return await client.ReadAnswerAsync(toHead);
    }

    /// <summary>The answer to a handshake.</summary>
    public Task<HttpAnswer> AskToConnectAsync(string target = "/ws", params string[] headers) => AskAsync(RawClient.Request(target, headers));

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Application.StopAsync(Timely);
        await Application.DisposeAsync();
    }
}
