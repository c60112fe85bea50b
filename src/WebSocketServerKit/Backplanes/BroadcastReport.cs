namespace WebSocketServerKit;

/// <summary>What became of a message on all servers of a <see cref="IBackplane"/>: see <see cref="ClientSelection.BroadcastAsync(string, SendOptions, TimeSpan?, CancellationToken)"/>.</summary>
public readonly record struct BroadcastReport
{
    /// <summary>The clients of this server and of those that have answered. Its <see cref="BroadcastResult.OtherServers"/> is not set: the other properties of the report tell more.</summary>
    public BroadcastResult Result { get; init; }

    /// <summary>How many other servers the message was sent to. A server without such a client may be among them.</summary>
    public int ServersAsked { get; init; }

    /// <summary>How many of them have answered in time.</summary>
    public int ServersAnswered { get; init; }

    /// <summary>Whether all have answered. If not, the message may have reached clients that <see cref="Result"/> does not count.</summary>
    public bool IsComplete => ServersAnswered == ServersAsked;
}
