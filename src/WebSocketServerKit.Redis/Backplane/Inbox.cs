namespace WebSocketServerKit.Backplane;

/// <summary>Bounds what all channels have received and the servers have not taken. Thread-safe.</summary>
internal sealed class Inbox(RedisBackplaneOptions options, RedisLog log)
{
    /// <summary>What a message costs beyond its bytes.</summary>
    public const int Overhead = 128;

    private readonly DropEpisode _aboveLimit = new(options.Time, () => log.ReceivingTooSlowly(options.MaxReceivedBytes), log.ReceivingCaughtUp);
    private long _held;

    public RedisLog Log => log;

    /// <summary>Reserves room for a message until <see cref="Release"/>. If there is none, the message is dropped.</summary>
    public bool TryHold(int size)
    {
        if (Interlocked.Add(ref _held, size + Overhead) <= options.MaxReceivedBytes)
            return true;
        Interlocked.Add(ref _held, -size - Overhead);
        RedisMetrics.DroppedOfReceived();
        _aboveLimit.Count();
        return false;
    }

    public void Release(int size)
    {
        Interlocked.Add(ref _held, -size - Overhead);
        _aboveLimit.Calm();
    }
}
