using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>
/// What a handler from dependency injection costs for each echoed message, beside a handler of the event. With a scope for each event the difference is what a scope with a handler and one scoped service
/// costs; with a scope for each client that is what each connection pays, once.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A connection in memory has nothing to give back.")]
public class HandlerScopes
{
    private const int Burst = 16;
    private const int Size = 64;

    private readonly MemoryTransport _transport = new();
    private byte[] _burst = [];
    private long _echoSize;

    public enum Handlers
    {
        OfTheEvent,
        PerClient,
        PerClientWithLogScope,
        PerEvent,
        PerEventWithLogScope,
    }

    [ParamsAllValues]
    public Handlers Kind { get; set; }

    [GlobalSetup]
    public async Task Setup()
    {
        _burst = FrameData.Frames(Opcode.Binary, Size, Burst);
        _echoSize = Burst * (FrameHeaderWriter.SizeFor(Size) + Size);
        WebSocketServerOptions options = new();
        WebSocketServer server = new(options);
        if (Kind == Handlers.OfTheEvent)
            server.OnMessage((client, message) => client.SendAsync(message.Payload, message.MessageType));
        else
            Route().Subscribe(server);
        await _transport.ConnectAsync(server, options);
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public void Echo() => _transport.Exchange(_burst, _echoSize);

    private HandlerRoute Route()
    {
        ServiceCollection services = new();
        services.AddScoped<ScopedService>().AddScoped<EchoHandler>();
        ILogger logger = Kind is Handlers.PerClientWithLogScope or Handlers.PerEventWithLogScope ? LoggerFactory.Create(logging => logging.AddProvider(new ScopedLogger())).CreateLogger("") : NullLogger.Instance;
        HandlerLifetime lifetime = Kind is Handlers.PerClient or Handlers.PerClientWithLogScope ? HandlerLifetime.Client : HandlerLifetime.Event;
        return new HandlerRoute("", typeof(EchoHandler), lifetime, services.BuildServiceProvider().GetRequiredService<IServiceScopeFactory>(), new HostingLog(logger));
    }

    private sealed class ScopedService;

    private sealed class EchoHandler(ScopedService service) : WebSocketHandler
    {
        public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message) =>
            client.SendAsync(message.Payload, service is null ? WebSocketMessageType.Text : message.MessageType);
    }

    // Takes scopes, as the console logger does.
    private sealed class ScopedLogger : ILoggerProvider, ISupportExternalScope
    {
        public ILogger CreateLogger(string categoryName) => NullLogger.Instance;

        public void SetScopeProvider(IExternalScopeProvider scopeProvider)
        {
        }

        public void Dispose()
        {
        }
    }
}
