namespace WebSocketServerKit;

/// <summary>How a <see cref="RedisPresence"/> works. The values are copied when it is made. Servers of one cluster may have different ones.</summary>
public sealed class RedisPresenceOptions
{
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>How often the server tells Redis that it is alive, and looks for servers that are not. Default: 5 s. From 10 ms to one hour.</summary>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long the clients of this server count after its last heartbeat. Default: 15 s. At least twice <see cref="HeartbeatInterval"/>, at most one hour. A server whose heartbeat is later than that,
    /// because it was paused or Redis was out of reach, tells all its clients anew.
    /// </summary>
    public TimeSpan Expiry { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// The most changes that one call writes. Default: 128. From 1 to 10,000. It bounds how long a call keeps Redis from other work, and the changes that this package holds: all that have to wait longer
    /// wait in the server's change feed, as one change per client at most.
    /// </summary>
    public int MaxChangesPerCall { get; set; } = 128;

    /// <summary>The time for heartbeats and retries. Default: the system's. What has expired is decided by Redis' clock alone.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>How long after a failed call it is repeated.</summary>
    internal TimeSpan RetryPause => HeartbeatInterval < TimeSpan.FromSeconds(1) ? HeartbeatInterval : TimeSpan.FromSeconds(1);

    /// <exception cref="ArgumentException">A value cannot be used; the message says why.</exception>
    internal RedisPresenceOptions CheckedCopy()
    {
        var copy = (RedisPresenceOptions)MemberwiseClone();
        if (copy.HeartbeatInterval < TimeSpan.FromMilliseconds(10) || copy.HeartbeatInterval > Longest)
            throw new ArgumentException($"{Name(nameof(HeartbeatInterval))} is {copy.HeartbeatInterval}; it must be from 10 ms to {Longest}.");
        if (copy.Expiry < 2 * copy.HeartbeatInterval || copy.Expiry > Longest)
            throw new ArgumentException($"{Name(nameof(Expiry))} is {copy.Expiry}; it must be at least twice {nameof(HeartbeatInterval)}, which is {copy.HeartbeatInterval}, and at most {Longest}.");
        if (copy.MaxChangesPerCall is < 1 or > 10_000)
            throw new ArgumentException($"{Name(nameof(MaxChangesPerCall))} is {copy.MaxChangesPerCall}; it must be from 1 to 10000.");
        if (copy.TimeProvider is null)
            throw new ArgumentException($"{Name(nameof(TimeProvider))} is null.");
        return copy;
    }

    private static string Name(string option) => $"{nameof(RedisPresenceOptions)}.{option}";
}
