namespace WebSocketServerKit.Scheduling;

/// <summary>Something that waits for the clock. See <see cref="SliceClock.Hold"/>.</summary>
internal interface IHeldBack
{
    /// <summary>Its time is over. Called on the clock's thread: it must not take long.</summary>
    void LetGo();
}

/// <summary>Something that the clock tells of each tick, for as long as it lives.</summary>
internal interface ITicked
{
    /// <summary>A tick has passed. Called on the clock's thread: it must not take long.</summary>
    void Ticked(SliceClock clock);
}

/// <summary>
/// A coarse clock with ticks of 4 ms, so that reading the time costs one field. A thread counts the ticks. It sleeps when nobody has asked for the time for 25
/// ticks, and ends after another 10 s. Thread-safe.
/// </summary>
/// <remarks>
/// Reading a system clock costs 6 to 25 ns, which is much compared with the 80 ns of a message. The thread is not a pool thread, so the clock goes on while
/// handlers block the pool.
/// </remarks>
internal sealed class SliceClock
{
    /// <summary>The time between two ticks.</summary>
    public static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(4);

    private const int IdleTicks = 25; // the thread sleeps after this many ticks without a request
    private static readonly TimeSpan Retirement = TimeSpan.FromSeconds(10);

    private readonly object _gate = new(); // a Lock cannot be waited on
    private readonly List<WeakReference<ITicked>> _watched = []; // guarded by itself; weak, since a cork lives as long as its thread
    private readonly Dictionary<IHeldBack, int> _held = []; // with the tick from which it is held; guarded by itself
    private readonly Action<ThreadStart> _startThread;
    private volatile int _now;
    private volatile bool _isAsked;   // somebody has asked for the time since the last tick
    private volatile bool _isTicking;
    private bool _hasThread;          // guarded by _gate

    /// <param name="startThread">Starts the clock's thread. Tests start none, and call <see cref="AddTick"/> themselves.</param>
    public SliceClock(Action<ThreadStart>? startThread = null) => _startThread = startThread ?? StartThread;

    /// <summary>The clock of the process.</summary>
    public static SliceClock Shared { get; } = new();

    /// <summary>The current tick.</summary>
    public int Now => _now;

    /// <summary>Whether the clock's thread is counting.</summary>
    public bool IsTicking => _isTicking;

    /// <summary>Whether a slice that began at this tick is over: after 4 to 8 ms.</summary>
    public bool IsOver(int began)
    {
        Ask();
        return _now - began >= 2;
    }

    /// <summary>Keeps the clock ticking, and wakes its thread if it sleeps.</summary>
    public void Ask()
    {
        if (!_isAsked)
            MarkAsked();
    }

    /// <summary>Calls <see cref="ITicked.Ticked"/> at each tick, as long as the object is alive.</summary>
    public void Watch(ITicked watched)
    {
        lock (_watched)
        {
            _watched.RemoveAll(static entry => !entry.TryGetTarget(out _));
            _watched.Add(new WeakReference<ITicked>(watched));
        }
    }

    /// <summary>Calls <see cref="IHeldBack.LetGo"/> once, when a whole tick has passed. If it is held already, that time starts again.</summary>
    public void Hold(IHeldBack held)
    {
        lock (_held)
            _held[held] = _now;
        Ask();
    }

    /// <summary>Advances the clock by one tick.</summary>
    public void AddTick()
    {
        _now++;
        LetGo();
        lock (_watched)
        {
            foreach (WeakReference<ITicked> entry in _watched)
                if (entry.TryGetTarget(out ITicked? watched))
                    watched.Ticked(this);
        }
    }

    private void LetGo()
    {
        lock (_held)
        {
            foreach ((IHeldBack held, int since) in _held)
            {
                if (_now - since < 2)
                    continue;
                _held.Remove(held);
                held.LetGo();
            }
        }
    }

    private void MarkAsked()
    {
        _isAsked = true;
        // Store _isAsked, then read _isTicking; the clock's thread does the reverse, so no wake-up is lost.
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

        try
        {
            _startThread(Run);
        }
        catch (Exception)
        {
            // The system has no threads left, or no descriptors, which a new thread needs too. Whoever asks would fail for that; so the time stands still until a later request succeeds.
            lock (_gate)
                _hasThread = _isTicking = false;
            _isAsked = false;
        }
    }

    private static void StartThread(ThreadStart run)
    {
        // The thread must not capture the AsyncLocals of the caller.
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
                _isTicking = true; // do not write false otherwise: a thread in Wake may have set it to true meanwhile
        }
    }

    // False when nobody has asked within the retirement time: then the thread ends.
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
