namespace WebSocketServerKit;

/// <summary>What has changed about a client: see <see cref="ClientRegistry.WatchAsync"/>.</summary>
public enum ClientChangeKind
{
    /// <summary>It has connected, or was connected when the watch began.</summary>
    Connected,

    /// <summary>Its groups, tags, subscriptions or <see cref="WebSocketClient.State"/> have changed: at least once since it was last told of.</summary>
    Changed,

    /// <summary>It has left. No further change of it is told.</summary>
    Disconnected,
}

/// <summary>One change of the connected clients, as <see cref="ClientRegistry.WatchAsync"/> tells it.</summary>
/// <param name="Client">The client as it is now: it may have changed again since.</param>
/// <param name="Kind">What has changed.</param>
public readonly record struct ClientChange(WebSocketClient Client, ClientChangeKind Kind);
