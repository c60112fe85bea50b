namespace WebSocketServerKit.Backplane;

/// <summary>Counts messages that are dropped for one reason, and tells once that it has begun, and once that it is over: when none was dropped for ten seconds. Thread-safe.</summary>
internal sealed class DropEpisode(TimeProvider time, Action begun, Action<long> over)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private long _dropped;
    private long _last;

    public void Count()
    {
        Volatile.Write(ref _last, time.GetTimestamp());
        if (Interlocked.Increment(ref _dropped) == 1)
            begun();
    }

    /// <summary>To be called when a message has gone through. Costs next to nothing while none is dropped.</summary>
    public void Calm()
    {
        if (Volatile.Read(ref _dropped) != 0 && time.GetElapsedTime(Volatile.Read(ref _last)) >= Quiet)
            End();
    }

    /// <summary>It is over.</summary>
    public void End()
    {
        long dropped = Interlocked.Exchange(ref _dropped, 0);
        if (dropped > 0)
            over(dropped);
    }
}
