namespace WebSocketServerKit;

/// <summary>What became of a message that was sent to many.</summary>
public readonly record struct BroadcastResult
{
    /// <summary>Clients for which it was accepted for transmission.</summary>
    public int Sent { get; init; }

    /// <summary>Clients that did not get it because their send queue was full: they read too slowly.</summary>
    public int Dropped { get; init; }

    /// <summary>Clients that were leaving already.</summary>
    public int Skipped { get; init; }
}
