using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>What the metrics cost for each echoed message: without a listener, and with one that takes all of them. Without a network, so that nothing hides it.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A connection in memory has nothing to give back.")]
public class MetricsCost
{
    private const int Burst = 16;
    private const int Size = 64;

    private static readonly byte[] Request =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8.ToArray();

    private readonly MemoryTransport _transport = new();
    private readonly byte[] _burst = FrameData.Frames(Opcode.Binary, Size, Burst);
    private MeterListener? _listener;
    private long _measurements;

    [Params(false, true)]
    public bool Listener { get; set; }

    [GlobalSetup]
    public async Task Setup()
    {
        if (Listener)
            Listen();
        WebSocketServerOptions options = new();
        WebSocketServer server = new(options);
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        ClientSession session = new(server, new ServerRun(server, options, new ServerLog(NullLogger.Instance)), _transport, expectsProxyHeader: false);
        _ = session.RunAsync();
        // Once it waits for the request, everything happens within Receive; Echo would see it if not.
        await Task.Delay(100);
        _transport.Receive(Request);
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public void Echo()
    {
        long expected = _transport.BytesSent + (Burst * (FrameHeaderWriter.SizeFor(Size) + Size));
        _transport.Receive(_burst);
        while (_transport.BytesSent < expected)
            Thread.Yield();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _listener?.Dispose();
        if (Listener && _measurements == 0)
            throw new InvalidOperationException("The listener was told nothing.");
    }

    private void Listen()
    {
        _listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == "WebSocketServerKit")
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        _listener.SetMeasurementEventCallback<long>((_, _, _, _) => _measurements++);
        _listener.SetMeasurementEventCallback<int>((_, _, _, _) => _measurements++);
        _listener.SetMeasurementEventCallback<double>((_, _, _, _) => _measurements++);
        _listener.Start();
    }
}
