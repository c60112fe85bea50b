namespace WebSocketServerKit.Connections.Sending;

/// <summary>Bounds how many messages are compressed at the same time, and how many clients have context takeover, for one server. Thread-safe.</summary>
internal sealed class CompressionLimits(int maxConcurrentCompressions, int maxContexts)
{
    private int _compressions;
    private int _contexts;

    /// <summary>Whether one more message may be compressed now; then <see cref="EndCompression"/> follows.</summary>
    public bool TryBeginCompression() => TryTake(ref _compressions, maxConcurrentCompressions);

    public void EndCompression() => Interlocked.Decrement(ref _compressions);

    /// <summary>Whether one more client may have context takeover; then <see cref="ReleaseContext"/> follows.</summary>
    public bool TryTakeContext() => TryTake(ref _contexts, maxContexts);

    public void ReleaseContext() => Interlocked.Decrement(ref _contexts);

    private static bool TryTake(ref int used, int limit)
    {
        if (Interlocked.Increment(ref used) <= limit)
            return true;
        Interlocked.Decrement(ref used);
        return false;
    }
}
