namespace WebSocketServerKit.Scheduling;

public sealed class BusyLineTests
{
    private readonly Queue<IThreadPoolWorkItem> _pool = [];
    private readonly List<string> _ran = [];
    private readonly BusyLine _line;

    public BusyLineTests() => _line = new BusyLine(_pool.Enqueue);

    [Fact]
    public void Only_the_first_stands_in_the_queue_of_the_pool()
    {
        for (int i = 0; i < 64; i++)
            _line.Add(() => _ran.Add("busy"));
        Assert.Single(_pool);
    }

    [Fact]
    public void Whoever_comes_to_the_pool_waits_for_one_of_them_at_most()
    {
        foreach (string name in (string[])["1", "2", "3"])
            _line.Add(() => _ran.Add(name));
        _pool.Dequeue().Execute();
        _pool.Enqueue(new Item(() => _ran.Add("other")));
        while (_pool.TryDequeue(out IThreadPoolWorkItem? item))
            item.Execute();
        Assert.Equal(["1", "2", "other", "3"], _ran);
    }

    [Fact]
    public void One_that_blocks_does_not_hold_up_the_next()
    {
        _line.Add(() =>
        {
            // It runs, and does not end: another thread takes the next.
            _pool.Dequeue().Execute();
            _ran.Add("blocked");
        });
        _line.Add(() => _ran.Add("next"));
        _pool.Dequeue().Execute();
        Assert.Equal(["next", "blocked"], _ran);
        Assert.Empty(_pool);
    }

    [Fact]
    public void One_that_joins_again_stands_behind_the_others()
    {
        int left = 2;
        _line.Add(Again);
        _line.Add(() => _ran.Add("second"));
        while (_pool.TryDequeue(out IThreadPoolWorkItem? item))
            item.Execute();
        Assert.Equal(["first", "second", "first"], _ran);

        void Again()
        {
            _ran.Add("first");
            if (--left > 0)
                _line.Add(Again);
        }
    }

    [Fact]
    public void When_it_was_empty_it_is_queued_anew()
    {
        for (int i = 0; i < 3; i++)
        {
            _line.Add(() => _ran.Add("ran"));
            Assert.Single(_pool);
            _pool.Dequeue().Execute();
            Assert.Empty(_pool);
        }

        Assert.Equal(3, _ran.Count);
    }

    [Fact]
    public void None_is_lost_when_many_threads_join_and_run()
    {
        const int Threads = 4, Each = 20_000;
        int ran = 0;
        BusyLine line = new(static item => ThreadPool.UnsafeQueueUserWorkItem(item, preferLocal: false));
        using var all = new CountdownEvent(Threads * Each);
        Parallel.For(0, Threads, _ =>
        {
            for (int i = 0; i < Each; i++)
            {
                line.Add(() =>
                {
                    Interlocked.Increment(ref ran);
                    all.Signal();
                });
            }
        });
        Assert.True(all.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        Assert.Equal(Threads * Each, ran);
    }

    private sealed class Item(Action run) : IThreadPoolWorkItem
    {
        public void Execute() => run();
    }
}
