using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>A send queue on a scripted transport, and a pool that counts what is rented.</summary>
public abstract class SendQueueTest : IAsyncDisposable
{
    private protected LeakCheckingPool Pool { get; } = new();

    private protected ScriptedTransport Transport { get; } = new();

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        // A test that has failed left its thread corked for the tests that run there next.
        Cork.Current?.Pull();
        await Transport.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected static byte[] Bytes(int count) => new byte[count];

    private protected SendQueue Queue(int limit = 1000) => new(Transport, limit, ConnectionStage.BudgetOf(Pool));

    // A queue whose transport is busy with one message of 10 bytes, 12 with its header.
    private protected SendQueue BusyQueue(int limit = 1000)
    {
        SendQueue queue = Queue(limit);
        Transport.HoldWrites();
        Assert.Equal(SendOutcome.Sent, queue.TrySend(Opcode.Text, "0123456789"u8));
        Assert.True(queue.IsDraining);
        return queue;
    }

    protected void AssertSent(params IEnumerable<string> frames) => Assert.Equal(string.Join('\n', frames), string.Join('\n', Transport.Frames));

    private protected async Task AssertDrainedAsync(SendQueue queue)
    {
        Transport.LetAllWritesEnd();
        await queue.WhenDrained().InTime();
        Assert.False(queue.IsDraining);
        Assert.Equal(0, queue.BufferedBytes);
        Assert.Equal(0, Pool.Rented);
        Assert.Empty(Transport.Breaches);
    }
}

internal static class Plain
{
    /// <summary>Sends a message that is not a frame yet, and waits in line while there is no room.</summary>
    public static Task<SendOutcome> WaitAndSendAsync(this SendQueue queue, Opcode opcode, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) =>
        queue.WaitAndSendFrameAsync(SendQueue.ToFrame(opcode, payload.Span), payload.Length, cancellationToken);
}
