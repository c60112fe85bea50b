namespace WebSocketServerKit;

/// <summary>What became of a message that was sent without waiting. <c>IsAccepted</c> tells in short whether it is on its way.</summary>
public enum SendResult
{
    /// <summary>Accepted, and nothing waited before it: it was handed to the operating system, or leaves together with what the calling thread sends next.</summary>
    Sent,

    /// <summary>Accepted, and it waits in the send queue: the client, or the network, has not taken what was sent before.</summary>
    Queued,

    /// <summary>Not sent: the send queue is full, because the client reads too slowly. See <see cref="WebSocketServerOptions.SendQueueLimit"/>.</summary>
    Full,

    /// <summary>Not sent: the client has left or is leaving.</summary>
    Closed,
}

/// <summary>What can be asked of a <see cref="SendResult"/>.</summary>
public static class SendResults
{
    extension(SendResult result)
    {
        /// <summary>Whether the message was accepted for transmission: <see cref="SendResult.Sent"/> or <see cref="SendResult.Queued"/>. <c>if (!client.TrySend(text).IsAccepted)</c></summary>
        public bool IsAccepted => result is SendResult.Sent or SendResult.Queued;
    }
}
