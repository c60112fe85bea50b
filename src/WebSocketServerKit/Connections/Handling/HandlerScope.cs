using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;

namespace WebSocketServerKit.Connections.Handling;

/// <summary>The handlers of one connection. <see cref="HandlerScope"/> calls them, and sees which of them still run after they returned.</summary>
internal interface IHandlers
{
    /// <summary>Calls every handler of the current event. Catches what they throw.</summary>
    /// <param name="run">The value of <see cref="HandlerScope.Run"/> for this event.</param>
    void Raise(long run);

    /// <summary>An async handler, or work that a handler posted, threw after its first await.</summary>
    void HandlerFailed(Exception exception);
}

/// <summary>Why the wait for the handlers of an event ended.</summary>
internal enum HandlersEnd : byte
{
    /// <summary>All of them have ended.</summary>
    Ended,

    /// <summary>They still run, but have asked for the client's next message. Their payload is no longer valid.</summary>
    GoOn,

    /// <summary>They did not end in time and are no longer waited for. They keep their payload: its buffer is not reused.</summary>
    GivenUp,

    /// <summary>The host's context has not begun to run them. It still will. They keep their payload: its buffer is not reused.</summary>
    Postponed,
}

/// <summary>
/// Runs the handlers of one connection and tells when they have ended, including <c>async void</c> ones. An <c>async void</c> method reports its start, its end
/// and its exception to the <see cref="SynchronizationContext"/> in which it was called. So this class is such a context, and counts the operations. Their
/// continuations run on the thread pool, or in the context that the host chose.
/// <para>Invariants: one event at a time; only the connection's loop calls <see cref="Enter"/>, <see cref="Raise"/> and <see cref="Leave"/>; any thread may
/// call the rest. After a wait that ended in another way than <see cref="HandlersEnd.Ended"/> the scope raises no further event: the connection goes on with a
/// new scope.</para>
/// <para>A handler that ends synchronously, async or not, costs no interlocked operation.</para>
/// </summary>
internal sealed class HandlerScope : SynchronizationContext, IValueTaskSource<HandlersEnd>
{
    // A flag in _state, above the count of running operations: the loop waits for the count to reach zero.
    private const int LoopWaits = 1 << 30;

    private readonly IHandlers _handlers;
    private readonly SynchronizationContext? _host;
    private ManualResetValueTaskSourceCore<HandlersEnd> _end = new() { RunContinuationsAsynchronously = true };
    private int _state; // the count of running operations, and LoopWaits
    private int _loopThread; // the managed id of the thread between Enter and Leave, or 0
    private int _startedByLoop; // operations started minus operations completed on that thread; not yet added to _state
    private Posting _posting;
    private long _run;
    private long _leftRun; // the Run of the event that is no longer waited for, shifted left by two, and the HandlersEnd in the two lowest bits
    private TaskCompletionSource? _leftBegan; // made for a caller that waits until that event has begun
    private TaskCompletionSource? _leftEnded; // made for a caller that waits until its handlers have ended
    private int _holds; // how many users have pinned the payload
    private volatile bool _isPayloadGivenUp;
    private TaskCompletionSource<bool>? _released; // made for the caller that waits until _holds is zero
    private SynchronizationContext? _outer;
    private ExecutionContext? _outerExecution;

    /// <param name="handlers">The handlers.</param>
    /// <param name="host">Where they run; null for the thread pool.</param>
    /// <param name="run">The first value of <see cref="Run"/>: an even one that no earlier scope of the connection has had.</param>
    public HandlerScope(IHandlers handlers, SynchronizationContext? host, long run = 0)
    {
        _handlers = handlers;
        _host = host;
        _run = run;
    }

    private enum Posting
    {
        /// <summary>No event waits in the host's context.</summary>
        None,

        /// <summary>An event was posted and has not begun.</summary>
        Posted,

        /// <summary>The same, and the loop no longer waits for it.</summary>
        Postponed,
    }

    /// <summary>
    /// Identifies the current event: odd while an event is being handled, and different for each. A payload is valid only while this has its event's value.
    /// </summary>
    public long Run => Volatile.Read(ref _run);

    public bool IsRunning => (Run & 1) != 0;

    /// <summary>Whether a thread is between <see cref="Enter"/> and <see cref="Leave"/>, in the synchronous part of a handler. From any thread.</summary>
    public bool IsEntered => Volatile.Read(ref _loopThread) != 0;

    /// <summary>Whether an event waits for the host's context to run its handlers.</summary>
    public bool IsPosted => _posting != Posting.None;

    /// <summary>The context in which the handlers run; null for the thread pool.</summary>
    public SynchronizationContext? Host => _host;

    /// <summary>Makes this scope the current context of the thread until <see cref="Leave"/>. Any number of events may be raised in between.</summary>
    public void Enter()
    {
        _outer = Current;
        _outerExecution = ExecutionContext.Capture();
        SetSynchronizationContext(this);
        _loopThread = Environment.CurrentManagedThreadId;
    }

    /// <summary>Restores the thread's previous context.</summary>
    public void Leave()
    {
        _loopThread = 0;
        SetSynchronizationContext(_outer);
        _outer = null;
        _outerExecution = null;
    }

    /// <summary>
    /// Raises the current event. Call it between <see cref="Enter"/> and <see cref="Leave"/>. False when handlers still run: then await <see cref="WhenEnded"/>.
    /// </summary>
    public bool Raise()
    {
        _run++;
        if (_host is not null)
        {
            PostRaise(_host);
            return false;
        }

        _handlers.Raise(_run);
        // Undo what a handler has done to AsyncLocals. Otherwise the next event would see it, but only if the network delivered both in one read.
        if (_outerExecution is { } execution)
            ExecutionContext.Restore(execution);
        // Undo a change of the context too: an exception of the next async void handler would otherwise end the process.
        if (Current != this)
            SetSynchronizationContext(this);
        if ((_startedByLoop != 0 || Volatile.Read(ref _state) != 0) && !TryEndWithoutWait())
            return false;
        EndRun();
        return true;
    }

    /// <summary>Completes when the last handler has ended, or when <see cref="LeaveAlone"/> ends the wait.</summary>
    public ValueTask<HandlersEnd> WhenEnded() => new(this, _end.Version);

    /// <summary>
    /// Ends the wait for the handlers of the current event. If the loop does not wait yet, its wait ends as soon as it begins. Does nothing between events, for
    /// another event than <paramref name="run"/> (if given), and after an earlier call. <see cref="HandlersEnd.Postponed"/> does nothing once the handlers have
    /// begun.
    /// </summary>
    public void LeaveAlone(HandlersEnd why, long? run = null)
    {
        long current = Run;
        if ((current & 1) == 0 || current != (run ?? current))
            return;
        bool hasNotBegun = Interlocked.CompareExchange(ref _posting, Posting.Postponed, Posting.Posted) is Posting.Posted or Posting.Postponed;
        // A posted event will be raised in any case, so it cannot be given up, only postponed.
        if (hasNotBegun)
            why = HandlersEnd.Postponed;
        else if (why == HandlersEnd.Postponed)
            return;

        long left = current << 2 | (long)why;
        long before = Volatile.Read(ref _leftRun);
        if (before >> 2 == current || Interlocked.CompareExchange(ref _leftRun, left, before) != before)
            return;
        // If the loop does not wait yet, because a handler is in its synchronous part, it checks _leftRun before it waits.
        EndWait();
    }

    /// <summary>Completes when the handlers of an event that was postponed have been called.</summary>
    public Task WhenLeftBegan()
    {
        TaskCompletionSource began = Signal(ref _leftBegan);
        Interlocked.MemoryBarrier(); // store _leftBegan, then read _posting; RaisePosted does the reverse, so no wake-up is lost
        if (_posting == Posting.None)
            began.TrySetResult();
        return began.Task;
    }

    /// <summary>Completes when the handlers of an event that is no longer waited for have ended.</summary>
    public Task WhenLeftEnded()
    {
        TaskCompletionSource ended = Signal(ref _leftEnded);
        if (Volatile.Read(ref _state) == 0)
            ended.TrySetResult();
        return ended.Task;
    }

    /// <summary>
    /// Keeps the payload valid until <see cref="ReleasePayload"/>, for a user that holds a raw pointer to it. The event counts as running until then.
    /// </summary>
    /// <returns>
    /// False if the loop does not wait for handlers yet, or no longer: it may be about to end the event, and may not see this call. Then the payload has to be copied, and <see cref="Run"/> checked
    /// afterwards.
    /// </returns>
    public bool HoldPayload()
    {
        bool isSeen = IsLoopThread;
        if (isSeen)
            _startedByLoop++;
        else
            isSeen = Interlocked.Increment(ref _state) > LoopWaits;
        Interlocked.Increment(ref _holds);
        return isSeen;
    }

    /// <summary>Ends one <see cref="HoldPayload"/>.</summary>
    public void ReleasePayload()
    {
        if (Interlocked.Decrement(ref _holds) == 0)
            Volatile.Read(ref _released)?.TrySetResult(true);
        OperationCompleted();
    }

    /// <summary>
    /// Completes with true when nobody holds the payload of an event that ended with <see cref="HandlersEnd.GoOn"/>; with false after
    /// <see cref="GiveUpPayload"/>: then its buffer must not be reused. Call it once.
    /// </summary>
    public Task<bool> WhenPayloadReleased()
    {
        Interlocked.MemoryBarrier(); // Run has changed, then read _holds; HoldPayload increments _holds, then its caller checks Run
        if (Volatile.Read(ref _holds) == 0)
            return Task.FromResult(true);
        var released = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Interlocked.Exchange(ref _released, released);
        if (Volatile.Read(ref _holds) == 0)
            released.TrySetResult(true);
        else if (_isPayloadGivenUp)
            released.TrySetResult(false);
        return released.Task;
    }

    /// <summary>Ends the wait of <see cref="WhenPayloadReleased"/>.</summary>
    public void GiveUpPayload()
    {
        _isPayloadGivenUp = true;
        Interlocked.MemoryBarrier(); // WhenPayloadReleased stores _released before it reads the flag
        _released?.TrySetResult(false);
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

        int left = Interlocked.Decrement(ref _state);
        // CompareExchange, because LeaveAlone may clear the flag at the same time: only one of the two may complete the wait.
        if (left == LoopWaits && Interlocked.CompareExchange(ref _state, 0, LoopWaits) == LoopWaits)
        {
            EndRun();
            _end.SetResult(HandlersEnd.Ended);
        }
        else if (left == 0)
        {
            Interlocked.MemoryBarrier(); // WhenLeftEnded stores _leftEnded before it reads the count
            _leftEnded?.TrySetResult();
        }
    }

    public override void Post(SendOrPostCallback d, object? state)
    {
        OperationStarted();
        if (_host is null)
            // The global queue: a thread serves its local queue first, so a handler that posts again and again would starve everybody else.
            ThreadPool.UnsafeQueueUserWorkItem(new PostedWork(this, d, state), preferLocal: false);
        else
            PostToHost(_host, d, state);
    }

    public override void Send(SendOrPostCallback d, object? state)
    {
        if (_host is not null)
            _host.Send(d, state);
        else
            d(state);
    }

    public override SynchronizationContext CreateCopy() => this;

    HandlersEnd IValueTaskSource<HandlersEnd>.GetResult(short token)
    {
        HandlersEnd end = _end.GetResult(token);
        _end.Reset();
        return end;
    }

    ValueTaskSourceStatus IValueTaskSource<HandlersEnd>.GetStatus(short token) => _end.GetStatus(token);

    void IValueTaskSource<HandlersEnd>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _end.OnCompleted(continuation, state, token, flags);

    private static TaskCompletionSource Signal(ref TaskCompletionSource? signal)
    {
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return Interlocked.CompareExchange(ref signal, mine, null) ?? mine;
    }

    private void EndRun()
    {
        _run++;
        Volatile.WriteBarrier(); // a reader that sees the next payload also sees that Run has changed
    }

    // Sets the flag that the loop waits. True if the last operation has ended meanwhile, so that there is nothing to wait for.
    private bool TryEndWithoutWait()
    {
        int started = LoopWaits + _startedByLoop;
        _startedByLoop = 0;
        if (Interlocked.Add(ref _state, started) == LoopWaits && Interlocked.CompareExchange(ref _state, 0, LoopWaits) == LoopWaits)
            return true;
        if (Volatile.Read(ref _leftRun) >> 2 == _run)
            EndWait();
        return false;
    }

    private void EndWait()
    {
        for (int state = Volatile.Read(ref _state); state >= LoopWaits; state = Volatile.Read(ref _state))
        {
            if (Interlocked.CompareExchange(ref _state, state - LoopWaits, state) != state)
                continue;
            var why = (HandlersEnd)(Volatile.Read(ref _leftRun) & 3);
            if (why == HandlersEnd.GoOn)
                EndRun();
            _end.SetResult(why);
            return;
        }
    }

    private void PostRaise(SynchronizationContext host)
    {
        _loopThread = 0; // the context may run the event on this thread; its operations must be counted in _state, since the loop is about to wait
        Interlocked.Exchange(ref _posting, Posting.Posted);
        Interlocked.Add(ref _state, LoopWaits + 1);
        if (Volatile.Read(ref _leftRun) >> 2 == _run)
            EndWait();
        PostToHost(host, static scope => ((HandlerScope)scope!).RaisePosted(), this);
    }

    // If the context throws, that is reported as a handler failure. What it refuses or silently drops runs on the thread pool: otherwise the handlers would
    // never end, and ClientDisconnected would never be raised.
    private void PostToHost(SynchronizationContext host, SendOrPostCallback callback, object? state)
    {
        var call = new HostCall(new PostedWork(this, callback, state));
        try
        {
            host.Post(static call => ((HostCall)call!).Execute(), call);
        }
        catch (Exception exception)
        {
            _handlers.HandlerFailed(exception);
            call.ExecuteOnThreadPool();
        }
    }

    private void RaisePosted()
    {
        Interlocked.Exchange(ref _posting, Posting.None);
        Volatile.Read(ref _leftBegan)?.TrySetResult();
        _handlers.Raise(_run);
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

    /// <summary>
    /// Work that was posted to the host's context. Only the context refers to it. If the garbage collector finds it before it ran, the context has dropped it,
    /// as that of a closed window does; then it runs on the thread pool. A context that is merely busy still refers to it, so it waits for as long as that takes.
    /// </summary>
    [SuppressMessage("Design", "MA0055", Justification = "Only a finalizer can tell that the context has dropped the work.")]
    [SuppressMessage("Usage", "CA1816", Justification = "The finalizer is for work that has never run; running it suppresses the finalizer.")]
    private sealed class HostCall(PostedWork work)
    {
        private PostedWork? _work = work;

        ~HostCall() => ExecuteOnThreadPool();

        public void Execute()
        {
            GC.SuppressFinalize(this);
            Interlocked.Exchange(ref _work, null)?.Execute();
        }

        public void ExecuteOnThreadPool()
        {
            GC.SuppressFinalize(this);
            if (Interlocked.Exchange(ref _work, null) is { } work)
                ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
        }
    }
}
