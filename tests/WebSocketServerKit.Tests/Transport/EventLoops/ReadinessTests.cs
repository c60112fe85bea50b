namespace WebSocketServerKit.Transport.EventLoops;

public sealed class ReadinessTests
{
    private readonly Readiness _readiness = new();

    [Fact]
    public void It_is_ready_until_it_is_tried_and_again_after_each_signal()
    {
        Assert.True(_readiness.TryTake());
        Assert.False(_readiness.TryTake());
        Assert.False(_readiness.Signal());
        Assert.False(_readiness.Signal());
        Assert.True(_readiness.TryTake());
        Assert.False(_readiness.TryTake());
        _readiness.SetReady();
        Assert.True(_readiness.TryTake());
    }

    [Fact]
    public void Nobody_waits_while_it_is_ready()
    {
        Assert.False(_readiness.TryWait(out _));
        Assert.True(_readiness.TryTake());
        Assert.True(_readiness.TryWait(out ValueTask wait));
        Assert.False(wait.IsCompleted);
    }

    [Fact]
    public async Task Who_gets_true_from_a_signal_ends_the_wait_or_goes_on_with_it()
    {
        _readiness.TryTake();
        _readiness.TryWait(out ValueTask wait);
        Task waiting = wait.AsTask();
        Assert.True(_readiness.Signal());
        Assert.True(_readiness.GoOnWaiting());
        Assert.False(waiting.IsCompleted);
        Assert.True(_readiness.Signal());
        Assert.False(_readiness.Signal()); // for whoever owns it now
        Assert.False(_readiness.GoOnWaiting());
        Assert.True(_readiness.TryTake());
        _readiness.EndWait();
        await waiting;
    }

    [Fact]
    public void The_wait_goes_on_where_it_is_ended()
    {
        _readiness.TryTake();
        _readiness.TryWait(out ValueTask wait);
        List<Thread> there = [];
        Wait();
        _readiness.Signal();
        _readiness.EndWait();
        Assert.Same(Thread.CurrentThread, Assert.Single(there));

        async void Wait()
        {
            await wait.ConfigureAwait(false);
            there.Add(Thread.CurrentThread);
        }
    }

    [Fact]
    public async Task A_wait_may_end_with_an_error_and_another_one_follow()
    {
        _readiness.TryTake();
        _readiness.TryWait(out ValueTask wait);
        Task waiting = wait.AsTask();
        _readiness.Signal();
        _readiness.EndWait(new IOException("lost"));
        Assert.Equal("lost", (await Assert.ThrowsAsync<IOException>(() => waiting)).Message);
        Assert.True(_readiness.TryWait(out wait));
        waiting = wait.AsTask();
        _readiness.Signal();
        _readiness.EndWait();
        await waiting;
    }

    [Fact]
    public async Task No_signal_is_lost_between_a_try_in_vain_and_the_wait()
    {
        const int Signals = 20_000;
        int signalled = 0, seen = 0;
        Task signalling = Task.Run(
            () =>
            {
                while (Volatile.Read(ref seen) < Signals)
                {
                    if (Volatile.Read(ref signalled) > Volatile.Read(ref seen))
                        continue;
                    Interlocked.Increment(ref signalled);
                    if (_readiness.Signal())
                        _readiness.EndWait();
                }
            },
            TestContext.Current.CancellationToken);
        while (seen < Signals)
        {
            if (_readiness.TryTake())
                Volatile.Write(ref seen, Volatile.Read(ref signalled));
            else if (_readiness.TryWait(out ValueTask wait))
            {
                await wait;
                Volatile.Write(ref seen, Volatile.Read(ref signalled));
            }
        }

        await signalling;
    }
}
