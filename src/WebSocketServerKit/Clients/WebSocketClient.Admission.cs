namespace WebSocketServerKit;

// What the client may do, and for how long.
public sealed partial class WebSocketClient
{
    /// <summary>
    /// When the client's session expires, such as the token that it has connected with. Null, the default, for never. From then on, within about a second, the client is closed with 1008
    /// (policy violation) and the reason <c>session has expired</c>; <see cref="ClientDisconnectedEventArgs.Cause"/> is <see cref="DisconnectCause.Expired"/>. Set it to renew the session, at any
    /// time: a handler of <see cref="WebSocketServer.ClientExpiring"/> is told before the end.
    /// </summary>
    /// <remarks>The time is that of the wall clock. If the clock is set forward, sessions end sooner. Setting it does nothing once the session has expired, or the client has left.</remarks>
    public DateTimeOffset? ExpiresAt
    {
        get => _lifetime.ExpiresAt;
        set => _lifetime.ExpiresAt = value;
    }

    /// <summary>Messages of this client that were not raised, because it had sent too many: see <see cref="WebSocketServerOptions.OverRate"/>.</summary>
    public long MessagesRefused => _lifetime.Receive.MessagesRefused;
}
