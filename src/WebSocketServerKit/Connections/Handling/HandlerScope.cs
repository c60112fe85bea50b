using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;

namespace WebSocketServerKit.Connections.Handling;

/// <summary>The handlers that a connection runs: called in the scope, so that <see cref="HandlerScope"/> sees what goes on after they returned.</summary>
internal interface IHandlers
{
    /// <summary>Calls every handler of the current event; what they throw stays inside.</summary>
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

    /// <summary>They go on, and have asked for the client's next message meanwhile. Their payload is over.</summary>
    GoOn,

    /// <summary>They do not end, and are not waited for any longer. What they were given stays theirs.</summary>
    GivenUp,

    /// <summary>They have not begun, since the host's context is busy. They will be called when it gets to them, and what they are given is theirs.</summary>
    Postponed,
}

/// <summary>
/// Follows the handlers of one connection to their real end. An <c>async void</c> method tells the <see cref="SynchronizationContext"/> in which it
/// was called when it starts and when it ends, and posts its exception there: so this is one, and counts. Its continuations go to the thread
/// pool, or to the context that the host chose.
/// <para>One event at a time, raised by the connection's own loop. A handler that ends synchronously, async or not, costs no interlocked operation.
/// An event whose wait ended in another way than <see cref="HandlersEnd.Ended"/> is the scope's last one: the connection goes on with a new scope.</para>
/// </summary>
internal sealed class HandlerScope : SynchronizationContext, IValueTaskSource<HandlersEnd>
{
    // In _state beside the count of operations that go on: the loop is waiting for the count to fall to zero.
    private const int LoopWaits = 1 << 30;

    private readonly IHandlers _handlers;
    private readonly SynchronizationContext? _host;
    private ManualResetValueTaskSourceCore<HandlersEnd> _end = new() { RunContinuationsAsynchronously = true };
    private int _state;
    private int _loopThread; // the managed id of the thread between Enter and Leave, or 0
    private int _startedByLoop; // operations that this thread has started, less those that it has seen complete; not yet in _state
    private Posting _posting;
    private long _run;
    private long _leftRun; // the event that is not waited for any longer, and in the two lowest bits why
    private TaskCompletionSource? _leftBegan; // somebody wants to know when its handlers have begun all the same
    private TaskCompletionSource? _leftEnded; // the same for their end
    private int _holds; // of the payload
    private volatile bool _isPayloadGivenUp;
    private TaskCompletionSource<bool>? _released; // somebody waits for that to fall to zero
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

        /// <summary>Nor is it waited for any longer.</summary>
        Postponed,
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

        _handlers.Raise(_run);
        // An AsyncLocal that a handler set ends with its event: which events share a read is up to the network.
        if (_outerExecution is { } execution)
            ExecutionContext.Restore(execution);
        // The same for the context: the next event has to be followed too, or its exception would end the process.
        if (Current != this)
            SetSynchronizationContext(this);
        if ((_startedByLoop != 0 || Volatile.Read(ref _state) != 0) && !EndsAtOnce())
            return false;
        EndRun();
        return true;
    }

    /// <summary>Completes when the last handler has ended, or when <see cref="LeaveAlone"/> ends the wait.</summary>
    public ValueTask<HandlersEnd> WhenEnded() => new(this, _end.Version);

    /// <summary>
    /// Ends the wait for the handlers of the current event, now or when it begins. Does nothing between events, for another event than <paramref name="run"/>, if that is
    /// named, and when the wait was ended before; <see cref="HandlersEnd.Postponed"/> does nothing once the handlers have begun.
    /// </summary>
    public void LeaveAlone(HandlersEnd why, long? run = null)
    {
        long current = Run;
        if ((current & 1) == 0 || current != (run ?? current))
            return;
        bool hasNotBegun = Interlocked.CompareExchange(ref _posting, Posting.Postponed, Posting.Posted) is Posting.Posted or Posting.Postponed;
        // What was posted is raised, whatever happens: nobody can give it up.
        if (hasNotBegun)
            why = HandlersEnd.Postponed;
        else if (why == HandlersEnd.Postponed)
            return;

        long left = current << 2 | (long)why;
        long before = Volatile.Read(ref _leftRun);
        if (before >> 2 == current || Interlocked.CompareExchange(ref _leftRun, left, before) != before)
            return;
        // The loop may not wait yet, because a handler is still in its synchronous part: then it finds this when it is about to.
        EndWait();
    }

    /// <summary>Completes when the handlers of an event that was postponed have been called.</summary>
    public Task WhenLeftBegan()
    {
        TaskCompletionSource began = Signal(ref _leftBegan);
        Interlocked.MemoryBarrier(); // RaisePosted leaves None behind before it looks for the source
        if (_posting == Posting.None)
            began.TrySetResult();
        return began.Task;
    }

    /// <summary>Completes when the handlers of an event that is not waited for any longer have ended all the same.</summary>
    public Task WhenLeftEnded()
    {
        TaskCompletionSource ended = Signal(ref _leftEnded);
        if (Volatile.Read(ref _state) == 0)
            ended.TrySetResult();
        return ended.Task;
    }

    /// <summary>Somebody uses the payload beyond the reach of checks: the run does not end before <see cref="ReleasePayload"/>, and what follows waits for that too.</summary>
    public void HoldPayload()
    {
        OperationStarted();
        Interlocked.Increment(ref _holds);
    }

    /// <summary>Takes back what <see cref="HoldPayload"/> did.</summary>
    public void ReleasePayload()
    {
        if (Interlocked.Decrement(ref _holds) == 0)
            Volatile.Read(ref _released)?.TrySetResult(true);
        OperationCompleted();
    }

    /// <summary>
    /// Completes with true when nobody holds the payload of an event that is over because of <see cref="HandlersEnd.GoOn"/>; with false when it is not waited for any longer: then
    /// the payload stays theirs who hold it. Asked once.
    /// </summary>
    public Task<bool> WhenPayloadReleased()
    {
        Interlocked.MemoryBarrier(); // HoldPayload counts before its caller looks at Run, which has moved on
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

    /// <summary>Ends the wait for those who hold the payload of an event that is over.</summary>
    public void GiveUpPayload()
    {
        _isPayloadGivenUp = true;
        Interlocked.MemoryBarrier(); // WhenPayloadReleased sets the source before it looks at the flag
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
        // A CompareExchange and not a Decrement alone: the one that ends it is the one that finds nothing but the waiting loop.
        if (left == LoopWaits && Interlocked.CompareExchange(ref _state, 0, LoopWaits) == LoopWaits)
        {
            EndRun();
            _end.SetResult(HandlersEnd.Ended);
        }
        else if (left == 0)
        {
            Interlocked.MemoryBarrier(); // WhenLeftEnded sets the source before it looks at the count
            _leftEnded?.TrySetResult();
        }
    }

    public override void Post(SendOrPostCallback d, object? state)
    {
        OperationStarted();
        if (_host is null)
            // Not to the thread's own queue, which it serves before all others: a handler that posts again and again would have the thread to itself.
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
        Volatile.WriteBarrier(); // before the payload becomes another one
    }

    // The loop announces that it waits; it need not when the last operation has ended meanwhile.
    private bool EndsAtOnce()
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
        _loopThread = 0; // the context may run it on this very thread, and the loop will not look before it waits
        Interlocked.Exchange(ref _posting, Posting.Posted);
        Interlocked.Add(ref _state, LoopWaits + 1);
        if (Volatile.Read(ref _leftRun) >> 2 == _run)
            EndWait();
        PostToHost(host, static scope => ((HandlerScope)scope!).RaisePosted(), this);
    }

    // What a context refuses is told as a failure; what it refuses or silently drops runs on the thread pool: handlers have to end somewhere, and
    // ClientDisconnected has to be raised.
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
    /// Work that waits in the host's context. Nobody but the context refers to it: when it is collected without having run, the context has dropped it, as that of a
    /// closed window may do without a word. Then it runs on the thread pool. While the context is only busy it waits, for as long as it takes.
    /// </summary>
    [SuppressMessage("Design", "MA0055", Justification = "There is no other way to learn that nobody refers to it.")]
    [SuppressMessage("Usage", "CA1816", Justification = "The finalizer is for one that never ran.")]
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
