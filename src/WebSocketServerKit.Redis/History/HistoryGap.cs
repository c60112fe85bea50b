namespace WebSocketServerKit;

/// <summary>Messages of a stream that a client does not get.</summary>
/// <param name="First">The number of the first one; null if it is not known which they are, because the stream has begun again or Redis has lost its end.</param>
/// <param name="Last">The number of the last one; null if it is not known.</param>
public readonly record struct HistoryGap(long? First, long? Last)
{
    /// <summary>Whether it is known which messages are missing. If not, there may be none.</summary>
    public bool IsKnown => First is not null;
}

/// <summary>What <see cref="RedisHistory.Gap"/> tells.</summary>
public sealed class HistoryGapEventArgs : EventArgs
{
    internal HistoryGapEventArgs(WebSocketClient client, string stream, HistoryGap gap) => (Client, Stream, Gap) = (client, stream, gap);

    /// <summary>The client that misses messages.</summary>
    public WebSocketClient Client { get; }

    /// <summary>The name of the stream.</summary>
    public string Stream { get; }

    /// <summary>The missing messages.</summary>
    public HistoryGap Gap { get; }
}
