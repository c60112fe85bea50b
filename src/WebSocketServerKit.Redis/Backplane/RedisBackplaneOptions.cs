using Microsoft.Extensions.Logging;

namespace WebSocketServerKit;

/// <summary>Options of a <see cref="RedisBackplane"/>. Changes after its constructor have no effect.</summary>
public sealed class RedisBackplaneOptions
{
    /// <summary>Which publish/subscribe of Redis is used. Default: <see cref="RedisPubSub.Auto"/>.</summary>
    public RedisPubSub PubSub { get; set; }

    /// <summary>
    /// Whether servers also start while Redis cannot be reached; they then serve their own clients alone until it can. Default: false, the start fails. Danger if true: a wrong address or password is
    /// only seen in the log and in <see cref="IBackplaneConnection.IsConnected"/>.
    /// </summary>
    public bool StartWithoutRedis { get; set; }

    /// <summary>
    /// The most bytes that may be published and not yet be answered by Redis; each message counts 512 bytes more than its own, and the characters of its channel's name. Above it messages are dropped: counted, and logged. At least 1.
    /// Default: 16 MiB. Danger if small: bursts are dropped. Danger if large: so much memory is used while Redis does not answer.
    /// </summary>
    public long MaxPendingBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>
    /// The most bytes that may be received from Redis and not yet be taken by the server, over all channels; each message counts 128 bytes more than its own. Above it messages are dropped: counted, and
    /// logged. At least 1. Default: 16 MiB. Danger if small: bursts are dropped. Danger if large: so much memory is used while the server has no time.
    /// </summary>
    public long MaxReceivedBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>Where connections, losses and drops are logged, with the category <c>WebSocketServerKit.Redis</c>. Default: null, nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; set; }

    /// <summary>For tests.</summary>
    internal TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Each step of a stop waits so long at most for a Redis that does not answer.</summary>
    internal TimeSpan StopPatience { get; set; } = TimeSpan.FromSeconds(1);

    internal RedisBackplaneOptions CheckedCopy()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxPendingBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxReceivedBytes);
        if (!Enum.IsDefined(PubSub))
            throw new ArgumentOutOfRangeException(nameof(PubSub), PubSub, $"{nameof(PubSub)} must be one of {string.Join(", ", Enum.GetNames<RedisPubSub>())}.");
        return (RedisBackplaneOptions)MemberwiseClone();
    }
}
