namespace WebSocketServerKit.Connections.Watching;

/// <summary>
/// The server's one timer. Each beat looks at plain fields of every connection, so that a connection needs no timer and no cancellation source
/// of its own, and reading the time costs a field. Thread-safe; beats never overlap.
/// </summary>
internal sealed class Heartbeat : IDisposable
{
    private readonly TimeProvider _time;
    private readonly Action<long> _beat;
    private readonly ITimer _timer;
    private readonly long _interval; // in units of the time provider's timestamps
    private long _now;
    private long _lastBeat;          // when it was
    private long _counted;           // the time up to which _now has gone on
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
    /// The time of the latest beat, in units of the timestamps. It stands still while this process does: what it could not look at (in a debugger, on a suspended machine, for want
    /// of a thread) is no time that a peer has let pass.
    /// </summary>
    public long Now => Volatile.Read(ref _now);

    public TimeProvider TimeProvider => _time;

    /// <summary>The first beat that is surely no earlier than <paramref name="time"/> from now comes when <see cref="Now"/> has reached this.</summary>
    public long After(TimeSpan time) => Now + _interval + ToTimestamp(time);

    /// <summary>A length of time in units of the timestamps; an infinite one is so large that it is never reached, and small enough to be added up.</summary>
    public long ToTimestamp(TimeSpan time) =>
        time == Timeout.InfiniteTimeSpan ? long.MaxValue / 8 : (long)(time.TotalSeconds * _time.TimestampFrequency);

    public TimeSpan Elapsed(long from, long to) => _time.GetElapsedTime(from, to);

    /// <summary>A timestamp of this very moment, for what has to be exact.</summary>
    public long Timestamp() => _time.GetTimestamp();

    public DateTimeOffset UtcNow() => _time.GetUtcNow();

    /// <summary>Completes with the next beat, or at once when there will be none any more.</summary>
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
        // A beat that takes longer than the interval swallows the next one.
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

    // A beat counts two intervals at most. A clock that was put forward, as tests do, fires all the beats that it passed, one right behind the other: they count the rest of the
    // time. A pause is followed by beats in their usual distance, and is forgotten.
    private void CountTime()
    {
        long time = _time.GetTimestamp();
        long sinceLastBeat = time - _lastBeat;
        if (sinceLastBeat >= _interval / 2 && sinceLastBeat <= 2 * _interval)
            _counted = _lastBeat;
        long passed = Math.Min(time - _counted, 2 * _interval);
        _lastBeat = time;
        _counted += passed;
        Volatile.Write(ref _now, _now + passed);
    }
}
