namespace WebSocketServerKit.Connections.Sending;

/// <summary>What became of a message that was offered to a <see cref="SendQueue"/>.</summary>
internal enum SendOutcome
{
    /// <summary>Accepted while the transport was idle and nothing waited before it: it was written at once, or the calling thread's cork holds it back.</summary>
    Sent,

    /// <summary>Accepted while the transport was busy, or while a message in fragments had the turn: it is pending.</summary>
    Queued,

    /// <summary>Accepted in place of a pending message with the same key.</summary>
    Replaced,

    /// <summary>The queue is full; nothing was appended.</summary>
    Dropped,

    /// <summary>The queue is full, and the sender may wait for room; nothing was appended. Only for senders that have offered to wait.</summary>
    MustWait,

    /// <summary>The queue is full, and so is the line of the senders that wait for room; nothing was appended.</summary>
    LineFull,

    /// <summary>A Close frame was sent or the connection is lost; nothing was appended.</summary>
    Closed,

    /// <summary>The queue is full, and its client has to be disconnected for that. It becomes <see cref="Closed"/> before the sender sees it.</summary>
    TooSlow,
}

internal static class SendOutcomes
{
    extension(SendOutcome outcome)
    {
        /// <summary>Whether the queue has taken the message.</summary>
        public bool IsAccepted => outcome <= SendOutcome.Replaced;
    }
}
