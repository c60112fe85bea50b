// A chat as a service: the generic host, handlers from dependency injection, options from appsettings.json, health checks on the server's own port.
// It runs in a terminal, under systemd, in a container and as a Windows service: see README.md.
using System.Collections.Concurrent;
using HostedService;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using WebSocketServerKit;

HostApplicationBuilder builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.Services.AddSystemd();        // tells systemd when it is ready, and logs for its journal; does nothing elsewhere
builder.Services.AddWindowsService(); // the same for Windows services

// Metrics for Prometheus, on a port of their own: http://localhost:9464/metrics
if (builder.Configuration.GetValue<int?>("Metrics:Port") is { } port)
{
    string name = builder.Configuration["Metrics:Host"] ?? "localhost"; // the listener has no other name: 127.0.0.1 is answered with 404
    builder.Services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService("chat")).WithMetrics(metrics => metrics
        .AddMeter("WebSocketServerKit")
        .AddPrometheusHttpListener(options => (options.Host, options.Port) = (name, port)));
}

AdminPage admin = new() { Password = builder.Configuration["Admin:Password"], AllowDisconnect = builder.Configuration.GetValue<bool>("Admin:AllowDisconnect") };
bool isSocketActivated = Environment.GetEnvironmentVariable("LISTEN_FDS") is not null;
builder.Services.AddSingleton<History>();
builder.Services
    .AddWebSocketServer("chat", builder.Configuration.GetSection("WebSocketServers:chat"))
    .Configure(options =>
    {
        if (!isSocketActivated)
            return;
        options.Urls.Clear();
        options.ListenOnSystemdSockets();
    })
    .Configure((_, server) =>
    {
        server.AnswerHealth(); // /healthz and /readyz
        admin.Add(server);     // /admin, if there is a password
    })
    .Path("/chat/{room}").AddHandler<ChatHandler>();
builder.Services.AddHealthChecks().AddWebSocketServer("chat"); // for a publisher of yours, or for ASP.NET Core

using IHost host = builder.Build();
await host.RunAsync();

/// <summary>Talks with one client: <c>/chat/lobby?name=Ann</c>. What it gets and says is text.</summary>
internal sealed partial class ChatHandler(WebSocketServer server, History history, ILogger<ChatHandler> logger) : WebSocketHandler
{
    private string _room = "";
    private string _name = "";

    public override ValueTask OnConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e)
    {
        _room = client.PathValues["room"];
        _name = NameIn(client.QueryString) ?? $"guest {client.Id}";
        foreach (string line in history.Of(_room))
            client.TrySend(line);
        client.Join(_room);
        Say($"{_name} is here");
        Entered(_name);
        return default;
    }

    public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
    {
        string line = $"{_name}: {message.Text}";
        history.Add(_room, line);
        Say(line);
        return default;
    }

    public override ValueTask OnDisconnectedAsync(WebSocketClient client, ClientDisconnectedEventArgs e)
    {
        Say($"{_name} has left");
        if (server.Clients.InGroup(_room).Count == 0)
            history.Forget(_room);
        Left(_name, e.CloseCode);
        return default;
    }

    private void Say(string line) => server.Clients.InGroup(_room).Broadcast(line);

    private static string? NameIn(string query) => query.Split('&', '?').FirstOrDefault(part => part.StartsWith("name=", StringComparison.Ordinal)) is { Length: > 5 and <= 37 } part
        ? Uri.UnescapeDataString(part[5..])
        : null;

    [LoggerMessage(1, LogLevel.Information, "{Name} has entered.")]
    private partial void Entered(string name);

    [LoggerMessage(2, LogLevel.Information, "{Name} has left: {Code}")]
    private partial void Left(string name, CloseCode code);
}

/// <summary>The last lines of each room, for those who come later. Thread-safe.</summary>
internal sealed class History
{
    private const int Most = 20;

    private readonly ConcurrentDictionary<string, ConcurrentQueue<string>> _rooms = new(StringComparer.Ordinal);

    public IReadOnlyCollection<string> Of(string room) => _rooms.TryGetValue(room, out ConcurrentQueue<string>? lines) ? lines : [];

    /// <summary>Nobody is there any more. Without this the rooms that clients invent would fill the memory.</summary>
    public void Forget(string room) => _rooms.TryRemove(room, out _);

    public void Add(string room, string line)
    {
        ConcurrentQueue<string> lines = _rooms.GetOrAdd(room, _ => new());
        lines.Enqueue(line);
        while (lines.Count > Most)
            lines.TryDequeue(out _);
    }
}
