namespace WebSocketServerKit;

/// <summary>What the server does with a client that sends more than <see cref="WebSocketServerOptions.MaxMessagesPerSecond"/> or <see cref="WebSocketServerOptions.MaxBytesPerSecond"/>.</summary>
public enum RateLimitReaction
{
    /// <summary>The server pauses reading, so that TCP slows the client down. No message is lost.</summary>
    ReadSlower,

    /// <summary>The messages that are too many are not raised, and <see cref="WebSocketClient.MessagesRefused"/> counts them. Pings are still answered.</summary>
    Drop,

    /// <summary>The first message that is too many closes the connection with 1008 (policy violation) and the reason <c>too many messages</c>. What is pending for the client is still sent.</summary>
    Close,
}
