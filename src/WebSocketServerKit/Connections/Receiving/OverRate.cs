using WebSocketServerKit.Connections.Watching;

namespace WebSocketServerKit.Connections.Receiving;

/// <summary>
/// What happens when one client exceeds its rate limits, and whether that has just begun. Exists for clients with a limit only.
/// <para>Not thread-safe: the receive loop alone uses it; <see cref="Refused"/> is read by any thread.</para>
/// </summary>
internal sealed class OverRate(RateLimitReaction reaction, Heartbeat heartbeat)
{
    private long _calmAt = long.MinValue; // when the client has been within its limits for a second
    private long _refused;

    public RateLimitReaction Reaction => reaction;

    /// <summary>Whether messages that are too many are not raised. Then only the payload of those that are raised counts; otherwise every byte that is read.</summary>
    public bool Refuses => reaction != RateLimitReaction.ReadSlower;

    /// <summary>The messages that were not raised.</summary>
    public long Refused => Volatile.Read(ref _refused);

    /// <summary>Counts a message that is not raised.</summary>
    public void Refuse() => Volatile.Write(ref _refused, _refused + 1);

    /// <summary>Called whenever a limit is exceeded. True if that begins: it was not so for a second.</summary>
    public bool Begins()
    {
        bool begins = heartbeat.Now >= _calmAt;
        Ends();
        return begins;
    }

    /// <summary>Called when the client is within its limits again after a time of reading slower: its second begins now.</summary>
    public void Ends() => _calmAt = heartbeat.After(TimeSpan.FromSeconds(1));
}
