namespace WebSocketServerKit;

/// <summary>Options of a <see cref="RedisHistory"/>. They are read when it is made. All servers of an application should have the same limits: each publisher applies its own.</summary>
public sealed class RedisHistoryOptions
{
    /// <summary>How many messages a stream keeps: the newest ones. 1 to 1,000,000. Default: 1,000.</summary>
    public int MaxMessages { get; set; } = 1_000;

    /// <summary>
    /// How long a stream keeps a message, to the millisecond, by the clocks of the servers: at least 1 ms. Null, the default, is as long as <see cref="MaxMessages"/> allows. Older ones are deleted when the
    /// stream is next written or read.
    /// </summary>
    public TimeSpan? MaxAge { get; set; }

    /// <summary>
    /// A stream that is neither written nor read for this long is deleted with all that is known of it. At least 1 s, and longer than clients stay away: who comes later is told of a gap of unknown size. Null is never.
    /// Default: 30 days.
    /// </summary>
    public TimeSpan? MaxIdleTime { get; set; } = TimeSpan.FromDays(30);

    /// <summary>The largest message that can be published, in bytes. 1 to 16 MiB. Default: 64 KiB.</summary>
    public int MaxMessageSize { get; set; } = 64 * 1024;

    /// <summary>
    /// Makes what clients get for a message, such as JSON with the <see cref="HistoryMessage.Offset"/> in it. Called once for each message that reaches this server and once for each that it reads again, from
    /// several threads. If it throws, clients are told of a gap in place of the message. Null, the default, is the payload alone: then clients do not learn their offsets.
    /// </summary>
    public Func<HistoryMessage, PreparedMessage>? Format { get; set; }

    /// <summary>The clock for <see cref="HistoryMessage.Time"/> and <see cref="MaxAge"/>. Default: that of the system.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    internal RedisHistoryOptions CheckedCopy()
    {
        Check(MaxMessages is >= 1 and <= 1_000_000, nameof(MaxMessages), MaxMessages, "1 to 1,000,000");
        Check(MaxAge is null || MaxAge >= TimeSpan.FromMilliseconds(1), nameof(MaxAge), MaxAge, "at least 1 ms");
        Check(MaxIdleTime is null || MaxIdleTime >= TimeSpan.FromSeconds(1), nameof(MaxIdleTime), MaxIdleTime, "at least 1 s");
        Check(MaxMessageSize is >= 1 and <= 16 * 1024 * 1024, nameof(MaxMessageSize), MaxMessageSize, "1 byte to 16 MiB");
        ArgumentNullException.ThrowIfNull(TimeProvider);
        return (RedisHistoryOptions)MemberwiseClone();
    }

    private static void Check(bool isValid, string name, object? value, string expected)
    {
        if (!isValid)
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be {expected}.");
    }
}
