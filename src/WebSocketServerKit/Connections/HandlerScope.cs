using System.Threading.Tasks.Sources;

namespace WebSocketServerKit.Connections;

/// <summary>The handlers that a connection runs: called in the scope, so that <see cref="HandlerScope"/> sees what goes on after they returned.</summary>
internal interface IHandlers
{
    /// <summary>Calls every handler of the current event; what they throw stays inside.</summary>
    void Raise();

    /// <summary>An async handler, or work that a handler posted, threw after its first await.</summary>
    void HandlerFailed(Exception exception);
}

/// <summary>
/// Follows the handlers of one connection to their real end. An <c>async void</c> method tells the <see cref="SynchronizationContext"/> in which it
/// was called when it starts and when it ends, and posts its exception there: so this is one, and counts. Its continuations go to the thread
/// pool, or to the context that the host chose.
/// <para>One event at a time, raised by the connection's own loop. A handler that ends synchronously, async or not, costs no interlocked operation.</para>
/// </summary>
internal sealed class HandlerScope : SynchronizationContext, IValueTaskSource<bool>
{
    // In _state beside the count of operations that go on: the loop is waiting for the count to fall to zero.
    private const int LoopWaits = 1 << 30;

    private readonly IHandlers _handlers;
    private readonly SynchronizationContext? _host;
    private ManualResetValueTaskSourceCore<bool> _end = new() { RunContinuationsAsynchronously = true };
    private int _state;
    private int _loopThread; // the managed id of the thread between Enter and Leave, or 0
    private int _startedByLoop; // operations that this thread has started, less those that it has seen complete; not yet in _state
    private int _posted; // 1 while an event waits in the host's context for its turn
    private long _run;
    private long _abandonedRun; // the event whose handlers were given up
    private SynchronizationContext? _outer;
    private ExecutionContext? _outerExecution;

    public HandlerScope(IHandlers handlers, SynchronizationContext? host)
    {
        _handlers = handlers;
        _host = host;
    }

    /// <summary>Odd while an event is being handled; another value for each event. What belongs to an event is valid for its value only.</summary>
    public long Run => Volatile.Read(ref _run);

    public bool IsRunning => (Run & 1) != 0;

    /// <summary>Makes this scope the current context of the thread, for any number of events raised on it until <see cref="Leave"/>.</summary>
    public void Enter()
    {
        _outer = Current;
        _outerExecution = ExecutionContext.Capture();
        SetSynchronizationContext(this);
        _loopThread = Environment.CurrentManagedThreadId;
    }

    /// <summary>Takes back what <see cref="Enter"/> did.</summary>
    public void Leave()
    {
        _loopThread = 0;
        SetSynchronizationContext(_outer);
        _outer = null;
        _outerExecution = null;
    }

    /// <summary>Raises the current event between <see cref="Enter"/> and <see cref="Leave"/>. False when handlers go on: then <see cref="WhenEnded"/> has to be awaited.</summary>
    public bool Raise()
    {
        _run++;
        if (_host is not null)
        {
            PostRaise(_host);
            return false;
        }

        _handlers.Raise();
        // An AsyncLocal that a handler set ends with its event: which events share a read is up to the network.
        if (_outerExecution is { } execution)
            ExecutionContext.Restore(execution);
        if ((_startedByLoop != 0 || Volatile.Read(ref _state) != 0) && !EndsAtOnce())
            return false;
        EndRun();
        return true;
    }

    /// <summary>Completes when the last handler has ended: true, or false when <see cref="Abandon"/> gave them up.</summary>
    public ValueTask<bool> WhenEnded() => new(this, _end.Version);

    /// <summary>
    /// Stops waiting for the handlers of the current event if they do not end of themselves. What they were given stays theirs; those that have
    /// not begun never will.
    /// </summary>
    public void Abandon()
    {
        if (Run is var run && (run & 1) == 0)
            return;
        // The loop may not wait yet, because a handler is still in its synchronous part: then it finds this when it is about to.
        Interlocked.Exchange(ref _abandonedRun, run);
        EndWait();
    }

    /// <summary>Whether this is the thread that raises events, between <see cref="Enter"/> and <see cref="Leave"/>.</summary>
    public bool IsLoopThread => _loopThread == Environment.CurrentManagedThreadId;

    public override void OperationStarted()
    {
        if (IsLoopThread)
            _startedByLoop++;
        else
            Interlocked.Increment(ref _state);
    }

    public override void OperationCompleted()
    {
        if (IsLoopThread)
        {
            _startedByLoop--;
            return;
        }

        // A CompareExchange and not a Decrement alone: the one that ends it is the one that finds nothing but the waiting loop.
        if (Interlocked.Decrement(ref _state) == LoopWaits && Interlocked.CompareExchange(ref _state, 0, LoopWaits) == LoopWaits)
        {
            EndRun();
            _end.SetResult(true);
        }
    }

    public override void Post(SendOrPostCallback d, object? state)
    {
        OperationStarted();
        var work = new PostedWork(this, d, state);
        if (_host is null || !TryPost(_host, static work => ((PostedWork)work!).Execute(), work))
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: true);
    }

    public override void Send(SendOrPostCallback d, object? state)
    {
        if (_host is not null)
            _host.Send(d, state);
        else
            d(state);
    }

    public override SynchronizationContext CreateCopy() => this;

    bool IValueTaskSource<bool>.GetResult(short token)
    {
        bool ended = _end.GetResult(token);
        _end.Reset();
        return ended;
    }

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _end.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _end.OnCompleted(continuation, state, token, flags);

    private void EndRun()
    {
        _run++;
        Volatile.WriteBarrier(); // before the payload becomes another one
    }

    // The loop announces that it waits; it need not when the last operation has ended meanwhile.
    private bool EndsAtOnce()
    {
        int started = LoopWaits + _startedByLoop;
        _startedByLoop = 0;
        if (Interlocked.Add(ref _state, started) == LoopWaits && Interlocked.CompareExchange(ref _state, 0, LoopWaits) == LoopWaits)
            return true;
        if (Volatile.Read(ref _abandonedRun) == _run)
            EndWait();
        return false;
    }

    private void EndWait()
    {
        for (int state = Volatile.Read(ref _state); state >= LoopWaits; state = Volatile.Read(ref _state))
        {
            if (Interlocked.CompareExchange(ref _state, state - LoopWaits, state) == state)
            {
                Interlocked.Exchange(ref _posted, 0);
                _end.SetResult(false);
                return;
            }
        }
    }

    private void PostRaise(SynchronizationContext host)
    {
        _loopThread = 0; // the context may run it on this very thread, and the loop will not look before it waits
        Interlocked.Exchange(ref _posted, 1);
        Interlocked.Add(ref _state, LoopWaits + 1);
        if (Volatile.Read(ref _abandonedRun) == _run)
            EndWait();
        if (!TryPost(host, static scope => ((HandlerScope)scope!).RaisePosted(), this))
            ThreadPool.UnsafeQueueUserWorkItem(static scope => scope.RaisePosted(), this, preferLocal: true);
    }

    // A context refuses when its window is closed. That is told as a failure, and what was meant for it runs on the thread pool: handlers have to end
    // somewhere, and ClientDisconnected has to be raised.
    private bool TryPost(SynchronizationContext host, SendOrPostCallback callback, object state)
    {
        try
        {
            host.Post(callback, state);
            return true;
        }
        catch (Exception exception)
        {
            _handlers.HandlerFailed(exception);
            return false;
        }
    }

    private void RaisePosted()
    {
        if (Interlocked.Exchange(ref _posted, 0) == 0)
            return; // given up before its turn came
        SynchronizationContext? outer = Current;
        SetSynchronizationContext(this);
        try
        {
            _handlers.Raise();
        }
        finally
        {
            SetSynchronizationContext(outer);
            OperationCompleted();
        }
    }

    private sealed class PostedWork(HandlerScope scope, SendOrPostCallback callback, object? state) : IThreadPoolWorkItem
    {
        public void Execute()
        {
            SynchronizationContext? outer = Current;
            SetSynchronizationContext(scope);
            try
            {
                callback(state);
            }
            catch (Exception exception)
            {
                scope._handlers.HandlerFailed(exception);
            }
            finally
            {
                SetSynchronizationContext(outer);
                scope.OperationCompleted();
            }
        }
    }
}
