namespace WebSocketServerKit;

/// <summary>What became of a message that was sent without waiting. <c>IsAccepted</c> tells in short whether it is on its way.</summary>
public enum SendResult
{
    /// <summary>Accepted, and nothing waited before it: it was handed to the operating system, or leaves together with what the calling thread sends next.</summary>
    Sent,

    /// <summary>Accepted, and it waits in the send queue: the client, or the network, has not taken what was sent before.</summary>
    Queued,

    /// <summary>Accepted in place of a pending message with the same key, which the client does not get: see <see cref="WebSocketClient.TrySendLatest(string, string, SendOptions)"/>.</summary>
    Replaced,

    /// <summary>
    /// Not sent: it would have to wait. The send queue is full (<see cref="WebSocketServerOptions.SendQueueLimit"/>), because the client reads too slowly, or calls of <c>SendAsync</c> wait for
    /// their turn already, such as a second streamed message behind a first one.
    /// </summary>
    Dropped,

    /// <summary>Not sent: the client has left or is leaving, or is disconnected because it reads too slowly (<see cref="SlowClientPolicy.Disconnect"/>).</summary>
    Closed,
}

/// <summary>Extensions of <see cref="SendResult"/>.</summary>
public static class SendResults
{
    extension(SendResult result)
    {
        /// <summary>Whether the message was accepted for transmission: <see cref="SendResult.Sent"/>, <see cref="SendResult.Queued"/> or <see cref="SendResult.Replaced"/>. <c>if (!client.TrySend(text).IsAccepted)</c></summary>
        public bool IsAccepted => result is SendResult.Sent or SendResult.Queued or SendResult.Replaced;
    }
}
