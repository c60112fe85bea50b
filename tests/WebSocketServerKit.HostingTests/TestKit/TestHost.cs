using System.Net;
using System.Net.WebSockets;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace WebSocketServerKit.TestKit;

/// <summary>A host with a configuration in memory and a log that a test reads.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    private readonly Entries _entries;

    private TestHost(IHost host, FakeLogCollector log, Entries entries) => (Host, Log, _entries) = (host, log, entries);

    /// <summary>A new token that is cancelled after 30 s: what would hang fails.</summary>
    public static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    public IHost Host { get; }

    public FakeLogCollector Log { get; }

    /// <summary>The only server.</summary>
    public WebSocketServer Server => Host.Services.GetRequiredService<WebSocketServer>();

    public IPEndPoint EndPoint => (IPEndPoint)Server.EndPoints[0];

    /// <summary>Builds a host. Its configuration has the entries, each <c>key=value</c>.</summary>
    public static TestHost Build(Action<HostApplicationBuilder> configure, params string[] entries)
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        Entries configuration = new();
        configuration.Change(entries.Select(entry => entry.Split('=', 2)).Select(entry => (entry[0], (string?)entry[1])));
        ((IConfigurationBuilder)builder.Configuration).Add(configuration);
        FakeLogCollector log = new();
        builder.Logging.SetMinimumLevel(LogLevel.Trace).AddProvider(new FakeLoggerProvider(log));
        configure(builder);
        return new TestHost(builder.Build(), log, configuration);
    }

    /// <summary>Starts a host with one server on a port of its own.</summary>
    public static async Task<TestHost> StartAsync(Action<WebSocketServerBuilder> configure, Action<IServiceCollection>? add = null)
    {
        TestHost host = Build(builder =>
        {
            add?.Invoke(builder.Services);
            configure(builder.Services.AddWebSocketServer("chat", options => options.Listen("http://127.0.0.1:0")));
        });
        await host.Host.StartAsync(Timely);
        return host;
    }

    /// <summary>A host with a server from the section <c>Ws:chat</c>.</summary>
    public static TestHost BuildConfigured(params string[] entries) =>
        Build(builder => builder.Services.AddWebSocketServer("chat", builder.Configuration.GetSection("Ws:chat")), [.. entries.Select(entry => $"Ws:chat:{entry}")]);

    /// <summary>Changes the configuration and reloads it, once. A value of null removes the key.</summary>
    public void Reload(params (string Key, string? Value)[] changes)
    {
        _entries.Change(changes.Select(change => ($"Ws:chat:{change.Key}", change.Value)));
        _entries.Reload();
    }

    /// <summary>The messages of the package with this number.</summary>
    public IReadOnlyList<FakeLogRecord> Of(int id) => [.. Log.GetSnapshot().Where(record => record.Category == "WebSocketServerKit.Hosting" && record.Id.Id == id)];

    public Task<ClientWebSocket> ConnectAsync(string target = "/") => ConnectAsync(EndPoint, target);

    public static async Task<ClientWebSocket> ConnectAsync(IPEndPoint server, string target = "/")
    {
        ClientWebSocket client = new();
        await client.ConnectAsync(new Uri($"ws://{server}{target}"), Timely);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await ((IAsyncDisposable)Host).DisposeAsync();
    }
}

/// <summary>A configuration that can lose keys, as a file can.</summary>
internal sealed class Entries : ConfigurationProvider, IConfigurationSource
{
    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

    public void Change(IEnumerable<(string Key, string? Value)> changes)
    {
        lock (this)
        {
            Dictionary<string, string?> data = new(Data, StringComparer.OrdinalIgnoreCase);
            foreach ((string key, string? value) in changes)
            {
                if (value is null)
                    data.Remove(key);
                else
                    data[key] = value;
            }

            Data = data;
        }
    }

    public void Reload() => OnReload();
}

internal static class ClientWebSocketExtensions
{
    public static Task SendAsync(this ClientWebSocket client, string text) => client.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, TestHost.Timely);

    public static async Task<string> ReceiveAsync(this ClientWebSocket client)
    {
        byte[] buffer = new byte[16 * 1024];
        WebSocketReceiveResult received = await client.ReceiveAsync(buffer, TestHost.Timely);
        return received.MessageType == WebSocketMessageType.Close ? $"closed {(int)received.CloseStatus!}" : Encoding.UTF8.GetString(buffer, 0, received.Count);
    }

    public static Task LeaveAsync(this ClientWebSocket client) => client.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", TestHost.Timely);
}
