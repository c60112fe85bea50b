using WebSocketServerKit.Connections.Sending;

namespace WebSocketServerKit.Connections.Scheduling;

/// <summary>
/// Counts slices of a few milliseconds while connections are at work, so that to read the time costs one field. Its thread sleeps while nobody asks for the time,
/// and ends when nobody has asked for long. Thread-safe.
/// </summary>
/// <remarks>
/// A clock of the system costs 6 to 25 ns, which is much beside a message of 80. The thread does not come from the pool: the time goes on where handlers block all threads of it.
/// </remarks>
internal sealed class SliceClock
{
    private const int IdleTicks = 25; // so many ticks without a question, and the thread sleeps
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(4);
    private static readonly TimeSpan Retirement = TimeSpan.FromSeconds(10);

    private readonly object _gate = new(); // a Lock cannot be waited on
    private readonly List<WeakReference<Cork>> _corks = []; // under its own lock; a thread that ends leaves its cork to the garbage collector
    private readonly Action<ThreadStart> _startThread;
    private volatile int _now;
    private volatile bool _isAsked;   // since the last tick
    private volatile bool _isTicking;
    private bool _hasThread;          // under _gate

    /// <param name="startThread">Starts the clock's thread. Tests start none, and call <see cref="AddTick"/> themselves.</param>
    public SliceClock(Action<ThreadStart>? startThread = null) => _startThread = startThread ?? StartThread;

    /// <summary>The clock of the process.</summary>
    public static SliceClock Shared { get; } = new();

    /// <summary>The present tick, to compare later ones with.</summary>
    public int Now => _now;

    /// <summary>Whether the clock's thread is counting. It sleeps when nobody has asked for a while.</summary>
    public bool IsTicking => _isTicking;

    /// <summary>Whether a slice that began at this tick is over: after one to two ticks of 4 ms.</summary>
    public bool IsOver(int began)
    {
        Ask();
        return _now - began >= 2;
    }

    /// <summary>Makes sure that the time goes on.</summary>
    public void Ask()
    {
        if (!_isAsked)
            AskAloud();
    }

    /// <summary>From now on each tick flushes what this cork has held back since the tick before.</summary>
    public void Watch(Cork cork)
    {
        lock (_corks)
        {
            _corks.RemoveAll(static entry => !entry.TryGetTarget(out _));
            _corks.Add(new WeakReference<Cork>(cork));
        }
    }

    /// <summary>The time goes on by one tick.</summary>
    public void AddTick()
    {
        _now++;
        lock (_corks)
        {
            foreach (WeakReference<Cork> entry in _corks)
                if (entry.TryGetTarget(out Cork? cork))
                    cork.FlushIfOverdue();
        }
    }

    private void AskAloud()
    {
        _isAsked = true;
        // The thread clears _isTicking before it looks at _isAsked for the last time: one of the two sees the other.
        Interlocked.MemoryBarrier();
        if (!_isTicking)
            Wake();
    }

    private void Wake()
    {
        lock (_gate)
        {
            _isTicking = true;
            Monitor.Pulse(_gate);
            if (_hasThread)
                return;
            _hasThread = true;
        }

        _startThread(Run);
    }

    private static void StartThread(ThreadStart run)
    {
        // The thread must not carry the AsyncLocals of whoever happened to start it.
        using (ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow())
            new Thread(run) { IsBackground = true, Name = "WebSocketServerKit slices" }.Start();
    }

    private void Run()
    {
        do
        {
            Count();
        }
        while (WaitForWake());
    }

    private void Count()
    {
        int idle = 0;
        while (_isTicking)
        {
            Thread.Sleep(Tick);
            idle = _isAsked ? 0 : idle + 1;
            _isAsked = false;
            AddTick();
            if (idle < IdleTicks)
                continue;
            _isTicking = false;
            Interlocked.MemoryBarrier();
            if (_isAsked)
                _isTicking = true; // and nothing is written otherwise: who has asked meanwhile may have set it already
        }
    }

    // False when nobody needed the thread for long: it has retired.
    private bool WaitForWake()
    {
        lock (_gate)
        {
            if (!_isTicking)
                Monitor.Wait(_gate, Retirement);
            return _hasThread = _isTicking;
        }
    }
}
