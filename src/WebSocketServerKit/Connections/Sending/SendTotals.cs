namespace WebSocketServerKit.Connections.Sending;

/// <summary>Counts what all send queues of one server have dropped. Thread-safe.</summary>
internal sealed class SendTotals
{
    private long _dropped;
    private long _replaced;

    /// <summary>Messages that did not reach a client, because it read too slowly.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Pending messages whose place a newer one took.</summary>
    public long Replaced => Volatile.Read(ref _replaced);

    public void Drop(int count) => Interlocked.Add(ref _dropped, count);

    public void Replace() => Interlocked.Increment(ref _replaced);
}
