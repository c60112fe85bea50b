namespace WebSocketServerKit;

/// <summary>What happens to a message for a client that reads too slowly: one for which the send queue has no room (<see cref="WebSocketServerOptions.SendQueueLimit"/>).</summary>
public enum SlowClientPolicy
{
    /// <summary>
    /// <c>SendAsync</c> waits for room; <c>TrySend</c> and broadcasts drop the new message and tell <see cref="SendResult.Dropped"/>. For messages none of which may be missing.
    /// </summary>
    Wait,

    /// <summary>The new message is dropped. <c>SendAsync</c> completes without an exception then.</summary>
    DropNewest,

    /// <summary>
    /// The oldest pending messages are dropped until the new one fits. For messages that become worthless soon. What the system is sending already is not dropped, nor are streamed messages.
    /// </summary>
    DropOldest,

    /// <summary>The client is closed with 1008, and what is pending is dropped: <see cref="DisconnectCause.SlowClient"/>.</summary>
    Disconnect,
}
