using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>A client sends a burst of text messages, and the handler passes each one on to other clients: as a copy, and as what it is.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Connections in memory have nothing to give back.")]
public class Forwarding
{
    private const int Burst = 16;

    private readonly WebSocketServer _server = new(new WebSocketServerOptions());
    private MemoryTransport[] _transports = [];
    private byte[] _burst = [];
    private long _answerSize;
    private Action<MessageReceivedEventArgs>? _handle;

    [Params(1, 10, 100)]
    public int Receivers { get; set; }

    [Params(64, 1_024, 16_384)]
    public int Size { get; set; }

    [GlobalSetup]
    public async Task Setup()
    {
        _server.MessageReceived += (_, e) => _handle!(e);
        _transports = await BroadcastKinds.ConnectAsync(_server, Receivers);
        _burst = FrameData.Frames(Opcode.Text, Size, Burst);
        _answerSize = Burst * (FrameHeaderWriter.SizeFor(Size) + Size);
    }

    [Benchmark(OperationsPerInvoke = Burst, Baseline = true)]
    public void BroadcastOfACopy() => Exchange(e => _server.Clients.Broadcast(e.ToArray(), e.MessageType));

    [Benchmark(OperationsPerInvoke = Burst)]
    public void BroadcastOfThePayload() => Exchange(e => _server.Clients.Broadcast(e.Payload, e.MessageType));

    [Benchmark(OperationsPerInvoke = Burst)]
    public void BroadcastOfTheMessage() => Exchange(e => _server.Clients.Broadcast(e));

    [Benchmark(OperationsPerInvoke = Burst)]
    public void SendOfACopyToEach() => Exchange(e =>
    {
        foreach (WebSocketClient client in _server.Clients)
            client.TrySend(e.ToArray(), e.MessageType);
    });

    [Benchmark(OperationsPerInvoke = Burst)]
    public void SendOfTheMessageToEach() => Exchange(e =>
    {
        foreach (WebSocketClient client in _server.Clients)
            client.TrySend(e);
    });

    private void Exchange(Action<MessageReceivedEventArgs> handle)
    {
        _handle = handle;
        long expected = _transports[^1].BytesSent + _answerSize;
        _transports[0].Receive(_burst);
        // As a rule all are back by now. Where this thread was taken off its core the connection's slice is over, and the rest comes on another thread.
        while (_transports[^1].BytesSent < expected)
            Thread.Yield();
    }
}
