using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Handling;

public sealed class HandlerScopeTests
{
    private readonly ScriptedHandlers _handlers = new();

    private HandlerScope Scope(SynchronizationContext? host = null) => new(_handlers, host);

    private bool Raise(HandlerScope scope, Action handler)
    {
        _handlers.OnRaise = handler;
        scope.Enter();
        bool ended = scope.Raise();
        scope.Leave();
        return ended;
    }

    [Fact]
    public void A_plain_handler_ends_with_the_event()
    {
        HandlerScope scope = Scope();
        long during = 0;
        Assert.True(Raise(scope, () => during = scope.Run));
        Assert.Equal((1, 2), (during, scope.Run));
        Assert.False(scope.IsRunning);
    }

    [Fact]
    public void The_run_is_odd_while_handlers_run_and_another_for_each_event()
    {
        HandlerScope scope = Scope();
        List<long> runs = [scope.Run];
        for (int i = 0; i < 3; i++)
        {
            Raise(scope, () => runs.Add(scope.Run));
            runs.Add(scope.Run);
        }

        Assert.Equal([0, 1, 2, 3, 4, 5, 6], runs);
    }

    [Fact]
    public void A_plain_handler_costs_no_allocation()
    {
        HandlerScope scope = Scope();
        _handlers.OnRaise = () => { };
        scope.Enter();
        scope.Raise();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            scope.Raise();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        scope.Leave();
        Assert.Equal(0, allocated);
    }

    [Fact]
    public async Task An_async_void_handler_is_followed_to_its_end()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource go = Timely.Signal();
        Assert.False(Raise(scope, async () => await go.Task));
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        Assert.True(scope.IsRunning);
        Assert.False(ended.IsCompleted);

        go.SetResult();

        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
        Assert.Equal(2, scope.Run);
    }

    [Fact]
    public void An_async_void_handler_that_never_waits_ends_with_the_event()
    {
        HandlerScope scope = Scope();
        Assert.True(Raise(scope, async () => await Task.CompletedTask));
        Assert.Equal(2, scope.Run);
    }

    [Fact]
    public async Task The_event_ends_with_the_last_of_its_handlers()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource first = Timely.Signal(), second = Timely.Signal(), firstEnded = Timely.Signal();
        Assert.False(Raise(scope, () =>
        {
            Start(async () => { await first.Task; firstEnded.SetResult(); });
            Start(async () => await second.Task);
        }));
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        first.SetResult();
        await firstEnded.Task.InTime();
        Assert.False(ended.IsCompleted);
        second.SetResult();
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
    }

    [Fact]
    public async Task An_async_void_method_that_a_continuation_calls_is_followed_too()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource outer = Timely.Signal(), inner = Timely.Signal(), innerCalled = Timely.Signal();
        Raise(scope, async () =>
        {
            await outer.Task;
            Start(async () => await inner.Task);
            innerCalled.SetResult();
        });
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        outer.SetResult();
        await innerCalled.Task.InTime();
        Assert.False(ended.IsCompleted);
        inner.SetResult();
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
    }

    [Fact]
    public async Task What_an_async_handler_throws_is_told_before_the_event_ends()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource go = Timely.Signal();
        var thrown = new InvalidTimeZoneException("after the await");
        Raise(scope, async () => { await go.Task; throw thrown; });
        go.SetResult();
        Assert.Equal(HandlersEnd.Ended, await scope.WhenEnded().InTime());
        Assert.Same(thrown, Assert.Single(_handlers.Failures));
    }

    [Fact]
    public async Task What_an_async_handler_throws_before_its_first_await_is_told_likewise()
    {
        HandlerScope scope = Scope();
#pragma warning disable CS1998 // the case is a handler that does not get as far as its first await
        // The exception is posted: whether that has run already is up to the thread pool.
        if (!Raise(scope, async () => throw new InvalidTimeZoneException()))
            Assert.Equal(HandlersEnd.Ended, await scope.WhenEnded().InTime());
#pragma warning restore CS1998
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(_handlers.Failures));
    }

    [Fact]
    public async Task Continuations_run_on_the_thread_pool_and_in_the_scope()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource go = Timely.Signal();
        (bool Pool, SynchronizationContext? Context) seen = default;
        Raise(scope, async () =>
        {
            await go.Task;
            seen = (Thread.CurrentThread.IsThreadPoolThread, SynchronizationContext.Current);
        });
        go.SetResult();
        await scope.WhenEnded().InTime();
        Assert.Equal((true, scope), seen);
    }

    [Fact]
    public void A_handler_that_blocks_on_its_own_async_work_does_not_deadlock()
    {
        HandlerScope scope = Scope();
        bool done = false;
        Raise(scope, () => done = WorkAsync().Wait(TimeSpan.FromSeconds(30)));
        Assert.True(done);

        static async Task WorkAsync()
        {
            // It captures the scope, and so its continuation is posted there.
            await Task.Yield();
        }
    }

    [Fact]
    public async Task A_hold_of_the_payload_is_seen_on_the_thread_of_the_event_and_elsewhere_while_the_loop_waits()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource go = Timely.Signal();
        List<bool> seen = [];
        void Hold()
        {
            seen.Add(scope.HoldPayload());
            scope.ReleasePayload();
        }

        Assert.False(Raise(scope, async () =>
        {
            Hold();
            await Task.Run(Hold);
            await go.Task;
        }));
        await Polling.UntilAsync(() => seen.Count == 2);
        Hold();
        go.SetResult();
        Assert.Equal(HandlersEnd.Ended, await scope.WhenEnded().InTime());
        Hold();
        Assert.Equal([true, true, false], [seen[0], seen[2], seen[3]]);

        seen.Clear();
        Assert.True(Raise(scope, () =>
        {
            var elsewhere = new Thread(Hold);
            elsewhere.Start();
            elsewhere.Join();
        }));
        Assert.Equal([false], seen);
    }

    [Fact]
    public async Task Work_left_behind_between_events_delays_the_next_event_and_does_no_harm()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource go = Timely.Signal(), strayRuns = Timely.Signal();
        using var strayMayEnd = new ManualResetEventSlim();
        Assert.True(Raise(scope, () => _ = StrayAsync()));
        long run = scope.Run;

        go.SetResult();
        await strayRuns.Task.InTime();
        Assert.Equal(run, scope.Run);

        Assert.False(Raise(scope, () => { }));
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        Assert.False(ended.IsCompleted);
        strayMayEnd.Set();
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
        Assert.Equal(run + 2, scope.Run);

        async Task StrayAsync()
        {
            await go.Task;
            strayRuns.SetResult();
            strayMayEnd.Wait(TimeSpan.FromSeconds(30));
        }
    }

    [Fact]
    public async Task Work_left_behind_that_fails_between_events_is_told_as_a_failure()
    {
        HandlerScope scope = Scope();
        Raise(scope, () => SynchronizationContext.Current!.Post(_ => throw new InvalidTimeZoneException(), null));
        await _handlers.Failed.Task.InTime();
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(_handlers.Failures));
    }

    [Fact]
    public void An_AsyncLocal_that_a_handler_sets_is_gone_with_its_event()
    {
        HandlerScope scope = Scope();
        var local = new AsyncLocal<string> { Value = "outer" };
        List<string?> seen = [];
        _handlers.OnRaise = () =>
        {
            seen.Add(local.Value);
            local.Value = "handler";
        };
        scope.Enter();
        scope.Raise();
        scope.Raise();
        scope.Leave();
        Assert.Equal(["outer", "outer"], seen);
        Assert.Equal("outer", local.Value);
    }

    [Fact]
    public void Leave_gives_the_thread_its_context_back()
    {
        SynchronizationContext? before = SynchronizationContext.Current;
        var outer = new SynchronizationContext();
        SynchronizationContext.SetSynchronizationContext(outer);
        HandlerScope scope = Scope();
        SynchronizationContext? during = null;
        Raise(scope, () => during = SynchronizationContext.Current);
        SynchronizationContext? after = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(before);
        Assert.Same(scope, during);
        Assert.Same(outer, after);
    }

    [Fact]
    public async Task A_pool_thread_keeps_nothing_of_the_scope()
    {
        HandlerScope scope = Scope();
        if (!Raise(scope, async () => await Task.Yield()))
            await scope.WhenEnded().InTime();
        for (int i = 0; i < 50; i++)
            Assert.Null(await Task.Run(() => SynchronizationContext.Current));
    }

    [Fact]
    public void Send_runs_in_place()
    {
        HandlerScope scope = Scope();
        int thread = 0;
        scope.Send(_ => thread = Environment.CurrentManagedThreadId, null);
        Assert.Equal(Environment.CurrentManagedThreadId, thread);
    }

    [Fact]
    public void A_copy_of_the_context_is_the_scope_itself_so_that_it_goes_on_counting()
    {
        HandlerScope scope = Scope();
        Assert.Same(scope, scope.CreateCopy());
    }

    [Fact]
    public async Task Abandoned_the_wait_ends_and_the_event_stays_the_handlers_own()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource go = Timely.Signal(), end = Timely.Signal();
        Raise(scope, async () => { await go.Task; end.SetResult(); });
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        long run = scope.Run;

        scope.LeaveAlone(HandlersEnd.GivenUp);
        scope.LeaveAlone(HandlersEnd.GivenUp);

        Assert.Equal(HandlersEnd.GivenUp, await ended.InTime());
        go.SetResult();
        await end.Task.InTime();
        Assert.Equal(run, scope.Run);
    }

    [Fact]
    public async Task Abandoned_between_events_nothing_happens()
    {
        HandlerScope scope = Scope();
        scope.LeaveAlone(HandlersEnd.GivenUp);
        Assert.True(Raise(scope, () => { }));
        scope.LeaveAlone(HandlersEnd.GivenUp);
        TaskCompletionSource go = Timely.Signal();
        Assert.False(Raise(scope, async () => await go.Task));
        go.SetResult();
        Assert.Equal(HandlersEnd.Ended, await scope.WhenEnded().InTime());
    }

    [Fact]
    public async Task Abandoned_while_a_handler_has_not_even_begun_to_wait_its_event_is_given_up_as_well()
    {
        HandlerScope scope = Scope();
        Assert.False(Raise(scope, async () =>
        {
            scope.LeaveAlone(HandlersEnd.GivenUp);
            await new TaskCompletionSource().Task;
        }));
        Assert.Equal(HandlersEnd.GivenUp, await scope.WhenEnded().InTime());
    }

    [Fact]
    public async Task Abandoned_an_event_whose_handlers_end_all_the_same_is_over_and_the_next_is_waited_for()
    {
        HandlerScope scope = Scope();
        Assert.True(Raise(scope, () => scope.LeaveAlone(HandlersEnd.GivenUp)));
        TaskCompletionSource go = Timely.Signal();
        Assert.False(Raise(scope, async () => await go.Task));
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        Assert.False(ended.IsCompleted);
        go.SetResult();
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
    }

    [Fact]
    public async Task However_the_end_of_a_handler_and_the_wait_for_it_meet_the_wait_ends_once()
    {
        HandlerScope scope = Scope();
        for (int i = 0; i < 2000; i++)
        {
            TaskCompletionSource go = Timely.Signal();
            ThreadPool.UnsafeQueueUserWorkItem(static go => go.SetResult(), go, preferLocal: false);
            if (!Raise(scope, async () => await go.Task))
                Assert.Equal(HandlersEnd.Ended, await scope.WhenEnded().InTime());
            Assert.Equal(2L * (i + 1), scope.Run);
        }
    }

    [Fact]
    public async Task However_the_end_of_a_handler_and_its_giving_up_meet_the_wait_ends_once()
    {
        for (int i = 0; i < 500; i++)
        {
            HandlerScope scope = Scope();
            TaskCompletionSource go = Timely.Signal(), end = Timely.Signal();
            Raise(scope, async () => { await go.Task; end.SetResult(); });
            ValueTask<HandlersEnd> ended = scope.WhenEnded();
            ThreadPool.UnsafeQueueUserWorkItem(static go => go.SetResult(), go, preferLocal: false);
            ThreadPool.UnsafeQueueUserWorkItem(static scope => scope.LeaveAlone(HandlersEnd.GivenUp), scope, preferLocal: false);
            if (await ended.InTime() == HandlersEnd.Ended)
                Assert.False(scope.IsRunning);
            await end.Task.InTime();
        }
    }

    [Fact]
    public async Task With_a_host_context_handlers_and_their_continuations_run_there()
    {
        var host = new ScriptedContext();
        HandlerScope scope = Scope(host);
        TaskCompletionSource go = Timely.Signal();
        List<bool> there = [];
        Assert.False(Raise(scope, async () =>
        {
            there.Add(host.IsHere);
            await go.Task;
            there.Add(host.IsHere);
            scope.Send(_ => there.Add(host.IsHere), null);
        }));
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        Assert.Empty(there);
        Assert.True(scope.IsRunning);

        await host.RunNextAsync();
        Assert.Equal([true], there);
        Assert.False(ended.IsCompleted);
        go.SetResult();
        await host.RunNextAsync();
        Assert.Equal([true, true, true], there);
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
        Assert.Equal((2, 1), (scope.Run, host.Sends));
    }

    [Fact]
    public async Task With_a_host_context_what_a_handler_throws_is_told_as_well()
    {
        var host = new ScriptedContext();
        HandlerScope scope = Scope(host);
        Raise(scope, async () => { await Task.CompletedTask; throw new InvalidTimeZoneException(); });
        await host.RunNextAsync();
        await host.RunNextAsync();
        Assert.Equal(HandlersEnd.Ended, await scope.WhenEnded().InTime());
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(_handlers.Failures));
    }

    [Theory]
    [InlineData(HandlersEnd.GivenUp)]
    [InlineData(HandlersEnd.Postponed)]
    public async Task A_posted_event_that_has_not_begun_is_postponed_and_raised_when_the_context_gets_to_it(object why)
    {
        var host = new ScriptedContext();
        HandlerScope scope = Scope(host);
        TaskCompletionSource go = Timely.Signal();
        bool raised = false;
        Raise(scope, async () => { raised = true; await go.Task; });
        scope.LeaveAlone((HandlersEnd)why);
        Assert.Equal(HandlersEnd.Postponed, await scope.WhenEnded().InTime());
        Task began = scope.WhenLeftBegan(), ended = scope.WhenLeftEnded();
        Assert.False(began.IsCompleted);
        Assert.True(scope.IsRunning);

        await host.RunNextAsync();
        Assert.True(raised);
        await began.InTime();
        Assert.False(ended.IsCompleted);
        go.SetResult();
        await host.RunNextAsync();
        await ended.InTime();
    }

    [Fact]
    public async Task A_posted_event_that_has_begun_cannot_be_postponed()
    {
        var host = new ScriptedContext();
        HandlerScope scope = Scope(host);
        TaskCompletionSource go = Timely.Signal();
        Raise(scope, async () => await go.Task);
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        await host.RunNextAsync();
        scope.LeaveAlone(HandlersEnd.Postponed);
        Assert.False(ended.IsCompleted);
        go.SetResult();
        await host.RunNextAsync();
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
    }

    [Fact]
    public async Task A_posted_event_that_the_host_context_silently_drops_is_raised_on_the_thread_pool()
    {
        var host = new ScriptedContext { Drops = true };
        HandlerScope scope = Scope(host);
        bool onPool = false;
        Raise(scope, () => onPool = Thread.CurrentThread.IsThreadPoolThread);
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        await CollectUntilAsync(() => ended.IsCompleted);
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
        Assert.True(onPool);
        Assert.Empty(_handlers.Failures);
    }

    [Fact]
    public async Task A_handler_whose_continuation_the_host_context_silently_drops_ends_on_the_thread_pool()
    {
        var host = new ScriptedContext();
        HandlerScope scope = Scope(host);
        TaskCompletionSource go = Timely.Signal();
        bool onPool = false;
        Raise(scope, async () => { await go.Task; onPool = Thread.CurrentThread.IsThreadPoolThread; });
        await host.RunNextAsync();
        host.Drops = true;
        go.SetResult();
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        await CollectUntilAsync(() => ended.IsCompleted);
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
        Assert.True(onPool);
    }

    [Fact]
    public async Task A_context_that_is_only_busy_keeps_its_event_whatever_is_collected()
    {
        var host = new ScriptedContext();
        HandlerScope scope = Scope(host);
        bool here = false;
        Raise(scope, () => here = host.IsHere);
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(ended.IsCompleted);
        await host.RunNextAsync();
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
        Assert.True(here);
    }

    [Fact]
    public async Task A_handler_that_lets_the_next_message_come_goes_on_and_is_followed_to_its_end()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource letGo = Timely.Signal(), go = Timely.Signal();
        Raise(scope, async () =>
        {
            long run = scope.Run;
            await letGo.Task;
            scope.LeaveAlone(HandlersEnd.GoOn, run);
            await go.Task;
            throw new InvalidTimeZoneException();
        });
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        letGo.SetResult();
        Assert.Equal(HandlersEnd.GoOn, await ended.InTime());
        Assert.False(scope.IsRunning);

        Task left = scope.WhenLeftEnded();
        Assert.False(left.IsCompleted);
        go.SetResult();
        await left.InTime();
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(_handlers.Failures));
    }

    [Fact]
    public async Task It_may_do_so_before_its_first_await()
    {
        HandlerScope scope = Scope();
        TaskCompletionSource go = Timely.Signal();
        Assert.False(Raise(scope, async () =>
        {
            scope.LeaveAlone(HandlersEnd.GoOn, scope.Run);
            await go.Task;
        }));
        Assert.Equal(HandlersEnd.GoOn, await scope.WhenEnded().InTime());
        go.SetResult();
        await scope.WhenLeftEnded().InTime();
    }

    [Fact]
    public async Task To_let_the_next_message_come_is_for_the_present_event_only()
    {
        HandlerScope scope = Scope();
        Assert.True(Raise(scope, () => scope.LeaveAlone(HandlersEnd.GoOn, scope.Run)));
        long first = scope.Run - 1;
        TaskCompletionSource go = Timely.Signal();
        Assert.False(Raise(scope, async () => await go.Task));
        ValueTask<HandlersEnd> ended = scope.WhenEnded();
        scope.LeaveAlone(HandlersEnd.GoOn, first);
        Assert.False(ended.IsCompleted);
        go.SetResult();
        Assert.Equal(HandlersEnd.Ended, await ended.InTime());
    }

    [Fact]
    public async Task A_handler_that_removes_the_context_does_not_keep_the_next_one_from_being_followed()
    {
        HandlerScope scope = Scope();
        scope.Enter();
        _handlers.OnRaise = () => SynchronizationContext.SetSynchronizationContext(null);
        Assert.True(scope.Raise());
        _handlers.OnRaise = async () => { await Task.Yield(); throw new InvalidTimeZoneException(); };
        bool endedAtOnce = scope.Raise();
        scope.Leave();
        if (!endedAtOnce)
            await scope.WhenEnded().InTime();
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(_handlers.Failures));
    }

    [Fact]
    public async Task A_new_scope_goes_on_with_runs_that_no_earlier_one_had()
    {
        HandlerScope scope = new(_handlers, host: null, run: 8);
        List<long> runs = [];
        Raise(scope, () => runs.Add(scope.Run));
        Raise(scope, async () => { runs.Add(scope.Run); await Task.Yield(); });
        if (scope.IsRunning)
            await scope.WhenEnded().InTime();
        Assert.Equal([9, 11], runs);
    }

    [Fact]
    public async Task When_the_host_context_is_gone_that_is_a_failure_and_the_event_is_raised_on_the_thread_pool()
    {
        var host = new ScriptedContext { IsGone = true };
        HandlerScope scope = Scope(host);
        bool onPool = false;
        Assert.False(Raise(scope, () => onPool = Thread.CurrentThread.IsThreadPoolThread));
        Assert.Equal(HandlersEnd.Ended, await scope.WhenEnded().InTime());
        Assert.True(onPool);
        Assert.IsType<ObjectDisposedException>(Assert.Single(_handlers.Failures));
        Assert.False(scope.IsRunning);
    }

    [Fact]
    public async Task A_handler_whose_host_context_goes_away_ends_on_the_thread_pool()
    {
        var host = new ScriptedContext();
        HandlerScope scope = Scope(host);
        TaskCompletionSource go = Timely.Signal();
        bool onPool = false;
        Raise(scope, async () => { await go.Task; onPool = Thread.CurrentThread.IsThreadPoolThread; });
        await host.RunNextAsync();
        host.IsGone = true;
        go.SetResult();
        Assert.Equal(HandlersEnd.Ended, await scope.WhenEnded().InTime());
        Assert.True(onPool);
        Assert.IsType<ObjectDisposedException>(Assert.Single(_handlers.Failures));
    }

    private static void Start(Action handler) => handler();

    // What nobody refers to any more is finalized by and by.
    private static Task CollectUntilAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string name = "") => Polling.UntilAsync(
        () =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return condition();
        },
        name: name);

    private sealed class ScriptedHandlers : IHandlers
    {
        private readonly ConcurrentQueue<Exception> _failures = [];

        public Action OnRaise { get; set; } = () => { };

        public TaskCompletionSource Failed { get; } = Timely.Signal();

        public IReadOnlyCollection<Exception> Failures => _failures;

        public void Raise(long run) => OnRaise();

        public void HandlerFailed(Exception exception)
        {
            _failures.Enqueue(exception);
            Failed.TrySetResult();
        }
    }

    /// <summary>A window's thread: what is posted there runs when the test says so.</summary>
    private sealed class ScriptedContext : SynchronizationContext
    {
        private readonly Channel<(SendOrPostCallback Callback, object? State)> _posted =
            Channel.CreateUnbounded<(SendOrPostCallback, object?)>();
        private int _thread;

        public bool IsGone { get; set; }

        /// <summary>Whether it forgets what is posted.</summary>
        public bool Drops { get; set; }

        public int Sends { get; private set; }

        /// <summary>Whether the caller runs in this context.</summary>
        public bool IsHere => Environment.CurrentManagedThreadId == Volatile.Read(ref _thread);

        public async Task RunNextAsync()
        {
            (SendOrPostCallback callback, object? state) = await _posted.Reader.ReadAsync(TestContext.Current.CancellationToken).InTime();
            Volatile.Write(ref _thread, Environment.CurrentManagedThreadId);
            callback(state);
            Volatile.Write(ref _thread, 0);
        }

        public override void Post(SendOrPostCallback d, object? state)
        {
            ObjectDisposedException.ThrowIf(IsGone, this);
            if (!Drops)
                _posted.Writer.TryWrite((d, state));
        }

        public override void Send(SendOrPostCallback d, object? state)
        {
            Sends++;
            d(state);
        }
    }
}
