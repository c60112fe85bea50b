namespace WebSocketServerKit;

/// <summary>What became of a message that was sent to many clients: how many there are for each <see cref="SendResult"/>.</summary>
public readonly record struct BroadcastResult
{
    /// <summary>Clients for which it was accepted, with nothing waiting before it: see <see cref="SendResult.Sent"/>.</summary>
    public int Sent { get; init; }

    /// <summary>Clients for which it was accepted, and waits in the send queue: see <see cref="SendResult.Queued"/>.</summary>
    public int Queued { get; init; }

    /// <summary>Clients for which it was accepted, in place of a pending message with the same key: see <see cref="SendResult.Replaced"/>.</summary>
    public int Replaced { get; init; }

    /// <summary>Clients that do not get it because it would have to wait: see <see cref="SendResult.Dropped"/>.</summary>
    public int Dropped { get; init; }

    /// <summary>Clients that do not get it because they were leaving already.</summary>
    public int Closed { get; init; }

    /// <summary>What became of it on its way to other servers, whose clients are not counted here. <see cref="ForwardResult.Unneeded"/> without a backplane.</summary>
    public ForwardResult OtherServers { get; init; }

    /// <summary>Clients for which it was accepted: <see cref="Sent"/>, <see cref="Queued"/> and <see cref="Replaced"/>.</summary>
    public int Accepted => Sent + Queued + Replaced;

    internal BroadcastResult Plus(BroadcastResult other) => this with
    {
        Sent = Sent + other.Sent,
        Queued = Queued + other.Queued,
        Replaced = Replaced + other.Replaced,
        Dropped = Dropped + other.Dropped,
        Closed = Closed + other.Closed,
    };
}
