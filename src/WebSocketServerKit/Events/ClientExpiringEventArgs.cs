namespace WebSocketServerKit;

/// <summary>The session of a client ends soon: see <see cref="WebSocketServer.ClientExpiring"/>.</summary>
public sealed class ClientExpiringEventArgs : EventArgs
{
    internal ClientExpiringEventArgs(WebSocketClient client, DateTimeOffset expiresAt)
    {
        Client = client;
        ExpiresAt = expiresAt;
    }

    /// <summary>The client. Setting its <see cref="WebSocketClient.ExpiresAt"/> renews the session.</summary>
    public WebSocketClient Client { get; }

    /// <summary>The time that this is about, even if the client has another one by now.</summary>
    public DateTimeOffset ExpiresAt { get; }
}
