namespace WebSocketServerKit.Connections.Watching;

/// <summary>
/// The server's one timer. Each beat checks the deadlines of all connections, which are plain fields. So a connection needs neither a timer nor a cancellation
/// source of its own, and reading the current time costs one field. Thread-safe; beats never overlap.
/// </summary>
internal sealed class Heartbeat : IDisposable
{
    private readonly TimeProvider _time;
    private readonly Action<long> _beat;
    private readonly ITimer _timer;
    private readonly long _interval; // in units of the time provider's timestamps
    private long _now;
    private long _lastBeat;          // the timestamp of the last beat
    private long _late;              // how late that beat was; negative for an early one
    private long _counted;           // the timestamp up to which _now includes the elapsed time
    private int _beating;
    private TaskCompletionSource? _nextBeat;
    private volatile bool _disposed;

    public Heartbeat(TimeProvider time, TimeSpan interval, Action<long> beat)
    {
        _time = time;
        _beat = beat;
        _interval = ToTimestamp(interval);
        _now = _lastBeat = _counted = time.GetTimestamp();
        _timer = time.CreateTimer(static heartbeat => ((Heartbeat)heartbeat!).Beat(), this, interval, interval);
    }

    /// <summary>
    /// The server's time at the latest beat, in units of the timestamps. It does not advance while the process is paused (in a debugger, on a suspended
    /// machine, in an exhausted thread pool), so that no timeout of a peer includes a pause of the server.
    /// </summary>
    public long Now => Volatile.Read(ref _now);

    public TimeProvider TimeProvider => _time;

    /// <summary>How late the latest beat was, or is. Zero once it is disposed of. From any thread.</summary>
    public TimeSpan Lateness
    {
        get
        {
            long late = Math.Max(Volatile.Read(ref _late), _time.GetTimestamp() - Volatile.Read(ref _lastBeat) - _interval);
            return late > 0 && !_disposed ? _time.GetElapsedTime(0, late) : TimeSpan.Zero;
        }
    }

    /// <summary>
    /// A deadline: when <see cref="Now"/> has reached it, at least <paramref name="time"/> has passed. One interval is added, because <see cref="Now"/> may be
    /// that old.
    /// </summary>
    public long After(TimeSpan time) => Now + _interval + ToTimestamp(time);

    /// <summary>A duration in units of the timestamps. An infinite one is never reached, and can be added without an overflow.</summary>
    public long ToTimestamp(TimeSpan time) =>
        time == Timeout.InfiniteTimeSpan ? long.MaxValue / 8 : (long)(time.TotalSeconds * _time.TimestampFrequency);

    public TimeSpan Elapsed(long from, long to) => _time.GetElapsedTime(from, to);

    /// <summary>The exact current timestamp, for measurements. Slower than <see cref="Now"/>.</summary>
    public long Timestamp() => _time.GetTimestamp();

    public DateTimeOffset UtcNow() => _time.GetUtcNow();

    /// <summary>Completes with the next beat, or at once after <see cref="Dispose"/>.</summary>
    public Task WhenNextBeat()
    {
        TaskCompletionSource? next = Volatile.Read(ref _nextBeat);
        if (next is null)
        {
            var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            next = Interlocked.CompareExchange(ref _nextBeat, mine, null) ?? mine;
            if (_disposed)
                next.TrySetResult();
        }

        return next.Task;
    }

    public void Dispose()
    {
        _disposed = true;
        _timer.Dispose();
        Interlocked.Exchange(ref _nextBeat, null)?.TrySetResult();
    }

    private void Beat()
    {
        // If the previous beat is still running, skip this one.
        if (Interlocked.Exchange(ref _beating, 1) != 0)
            return;
        try
        {
            CountTime();
            _beat(Now);
        }
        finally
        {
            Interlocked.Exchange(ref _nextBeat, null)?.TrySetResult();
            Volatile.Write(ref _beating, 0);
        }
    }

    // One beat advances the time by two intervals at most. After a pause, beats come at their usual distance again, and the rest of the pause is dropped. A
    // fake clock that is advanced by a long time fires all skipped beats immediately one after the other; then each of them advances the time until none is left.
    private void CountTime()
    {
        long time = _time.GetTimestamp();
        long sinceLastBeat = time - _lastBeat;
        if (sinceLastBeat >= _interval / 2 && sinceLastBeat <= 2 * _interval)
            _counted = _lastBeat;
        Volatile.Write(ref _late, sinceLastBeat - _interval);
        long passed = Math.Min(time - _counted, 2 * _interval);
        Volatile.Write(ref _lastBeat, time);
        _counted += passed;
        Volatile.Write(ref _now, _now + passed);
    }
}
