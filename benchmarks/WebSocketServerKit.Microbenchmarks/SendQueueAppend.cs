using System.Buffers;
using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>The way of a message into the send queue and out of it, to a transport that takes everything at once.</summary>
public class SendQueueAppend
{
    private const int Burst = 16;

    private readonly SendQueue _queue = new(new MemoryTransport(), limit: 1 << 20, new MemoryBudget(long.MaxValue, ArrayPool<byte>.Shared));
    private byte[] _payload = [];

    [Params(16, 1_024, 16_384)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup() => _payload = FrameData.Ascii(Size);

    [Benchmark]
    public bool Alone() => _queue.TrySend(Opcode.Binary, _payload).IsAccepted;

    /// <summary>As the receive loop does it when it has several frames at hand.</summary>
    [Benchmark(OperationsPerInvoke = Burst)]
    public void InABurst()
    {
        Cork cork = Cork.Put(SliceClock.Shared)!;
        for (int i = 0; i < Burst; i++)
            _queue.TrySend(Opcode.Binary, _payload);
        cork.Pull();
    }
}
