using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>What the metrics cost for each echoed message: without a listener, and with one that takes all of them. Without a network, so that nothing hides it.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A connection in memory has nothing to give back.")]
public class MetricsCost
{
    private const int Burst = 16;
    private const int Size = 64;

    private static readonly long EchoSize = Burst * (FrameHeaderWriter.SizeFor(Size) + Size);

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
        await _transport.ConnectAsync(server, options);
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public void Echo() => _transport.Exchange(_burst, EchoSize);

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
