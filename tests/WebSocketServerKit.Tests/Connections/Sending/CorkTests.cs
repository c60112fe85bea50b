using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Sending;

public sealed class CorkTests : IDisposable
{
    private readonly LeakCheckingPool _pool = new();
    private readonly SliceClock _clock = ConnectionStage.StoppedClock();
    private readonly Cork _cork;

    public CorkTests() => _cork = Cork.Put(_clock)!;

    // A test that has awaited may end on another thread, and has pulled it before.
    public void Dispose()
    {
        if (Cork.Current == _cork)
            _cork.Pull();
    }

    private SendQueue QueueTo(ScriptedTransport transport, int limit = 1000) => new(transport, limit, ConnectionStage.BudgetOf(_pool));

    [Fact]
    public void Messages_to_several_clients_leave_in_one_write_for_each()
    {
        ScriptedTransport a = new(), b = new();
        SendQueue toA = QueueTo(a), toB = QueueTo(b);
        toA.TrySend("1");
        toB.TrySend("2");
        toA.TrySend("3");
        toB.TrySend("4");
        Assert.Empty(a.Writes);
        Assert.Empty(b.Writes);

        _cork.Pull();

        Assert.Single(a.Writes);
        AssertSent(a, "Text 1", "Text 3");
        Assert.Single(b.Writes);
        AssertSent(b, "Text 2", "Text 4");
        Assert.Equal(0, _pool.Rented);
    }

    [Fact]
    public void It_is_pulled_by_the_one_who_put_it_in()
    {
        Assert.Same(_cork, Cork.Current);
        Assert.Null(Cork.Put(_clock));
        _cork.Pull();
        Assert.Null(Cork.Current);
        Assert.Same(_cork, Cork.Put(_clock));
    }

    [Fact]
    public void Another_thread_has_a_cork_of_its_own()
    {
        Cork? seen = _cork, own = null;
        OnAnotherThread(() =>
        {
            seen = Cork.Current;
            own = Cork.Put(_clock);
            own!.Pull();
        });
        Assert.Null(seen);
        Assert.NotSame(_cork, own);
    }

    [Fact]
    public void Another_threads_cork_does_not_hold_back_what_this_one_gathered()
    {
        ScriptedTransport transport = new();
        SendQueue queue = QueueTo(transport);
        queue.TrySend("here");
        OnAnotherThread(() =>
        {
            Cork cork = Cork.Put(_clock)!;
            queue.TrySend("there");
            Assert.Single(transport.Writes);
            cork.Pull();
        });
        AssertSent(transport, "Text here", "Text there");
    }

    [Fact]
    public void A_queue_gathers_again_after_it_was_flushed_by_others()
    {
        ScriptedTransport transport = new();
        SendQueue queue = QueueTo(transport);
        queue.TrySend("1");
        OnAnotherThread(() => queue.TrySend("2"));
        queue.TrySend("3");
        Assert.Single(transport.Writes);

        _cork.Pull();

        Assert.Equal(2, transport.Writes.Count);
        queue.TrySend("4");
        AssertSent(transport, "Text 1", "Text 2", "Text 3", "Text 4");
    }

    [Fact]
    public void What_was_held_back_for_a_whole_tick_is_sent_though_the_thread_is_kept()
    {
        ScriptedTransport a = new(), b = new();
        QueueTo(a).TrySend("1");
        QueueTo(b).TrySend("2");
        _clock.AddTick();
        Assert.Empty(a.Writes);
        OnAnotherThread(_clock.AddTick);
        AssertSent(a, "Text 1");
        AssertSent(b, "Text 2");
    }

    [Fact]
    public void Only_the_clock_that_it_was_put_in_with_sends()
    {
        ScriptedTransport transport = new();
        SliceClock other = ConnectionStage.StoppedClock();
        _cork.Pull();
        Cork.Put(other)!.Pull();
        Cork.Put(_clock);
        QueueTo(transport).TrySend("1");
        other.AddTick();
        other.AddTick();
        Assert.Empty(transport.Writes);
        _clock.AddTick();
        _clock.AddTick();
        AssertSent(transport, "Text 1");
    }

    [Fact]
    public void What_a_new_burst_holds_back_has_a_tick_of_its_own()
    {
        ScriptedTransport transport = new();
        SendQueue queue = QueueTo(transport);
        queue.TrySend("1");
        _clock.AddTick();
        _cork.Pull();
        Cork.Put(_clock);
        queue.TrySend("2");
        _clock.AddTick();
        AssertSent(transport, "Text 1");
        _clock.AddTick();
        AssertSent(transport, "Text 1", "Text 2");
    }

    [Fact]
    public void After_the_clock_has_sent_the_rest_of_the_burst_gathers_again()
    {
        ScriptedTransport transport = new();
        SendQueue queue = QueueTo(transport);
        queue.TrySend("1");
        _clock.AddTick();
        _clock.AddTick();
        queue.TrySend("2");
        queue.TrySend("3");
        Assert.Single(transport.Writes);
        _cork.Pull();
        Assert.Equal(2, transport.Writes.Count);
        AssertSent(transport, "Text 1", "Text 2", "Text 3");
    }

    [Fact]
    public void A_Close_frame_and_all_before_it_is_not_held_back()
    {
        ScriptedTransport transport = new();
        SendQueue queue = QueueTo(transport);
        queue.TrySend("last");
        queue.Close(CloseCode.NormalClosure, "");
        Assert.Equal([Opcode.Text, Opcode.Close], transport.Frames.Select(frame => frame.Opcode));
    }

    [Fact]
    public void What_all_queues_hold_back_together_is_bounded()
    {
        byte[] payload = new byte[60 * 1024];
        var clients = new ScriptedTransport[300];
        for (int i = 0; i < clients.Length; i++)
        {
            clients[i] = new ScriptedTransport();
            QueueTo(clients[i], limit: 1024 * 1024).TrySend(Opcode.Binary, payload);
            _cork.FlushWhenFull();
        }

        // 16 MiB of frames are reached by the 274th; 32 of those at the most are this thread's share, and the thread pool has the others.
        Assert.True(clients[273].Writes.Count == 1, "The last of those that were flushed are this thread's.");
        Assert.All(clients[274..], client => Assert.Empty(client.Writes));
    }

    // On a thread of its own: a thread of the pool must not go back to it with its cork in.
    [Fact]
    public void A_broadcast_sends_to_its_first_receivers_before_it_has_come_to_the_last() => OnAnotherThread(() =>
    {
        LeakCheckingPool pool = new();
        Cork cork = Cork.Put(_clock)!;
        Task[] written = [.. Enumerable.Range(0, 32).Select(_ =>
        {
            ScriptedTransport client = new();
            new SendQueue(client, 1000, ConnectionStage.BudgetOf(pool)).TrySend("all");
            cork.FlushWhenMany();
            return client.NextWriteAsync();
        })];

        Assert.True(SpinWait.SpinUntil(() => Array.TrueForAll(written, one => one.IsCompleted), TimeSpan.FromSeconds(30)));
        cork.Pull();
    });

    [Fact]
    public void What_a_thread_sends_that_is_kept_for_long_is_sent_each_time_though_the_clock_sleeps_when_nobody_asks() => OnAnotherThread(() =>
    {
        SliceClock clock = new();
        Cork cork = Cork.Put(clock)!;
        ScriptedTransport transport = new();
        SendQueue queue = QueueTo(transport);
        queue.TrySend("1");
        Assert.True(SpinWait.SpinUntil(() => transport.Writes.Count == 1, TimeSpan.FromSeconds(30)));
        int began = clock.Now;
        Assert.True(SpinWait.SpinUntil(() => clock.Now - began > 60 || !clock.IsTicking, TimeSpan.FromSeconds(30)));
        queue.TrySend("2");
        Assert.True(SpinWait.SpinUntil(() => transport.Writes.Count == 2, TimeSpan.FromSeconds(30)));
        cork.Pull();
        AssertSent(transport, "Text 1", "Text 2");
    });

    [Fact]
    public async Task Many_queues_are_flushed_by_several_threads_and_none_is_forgotten()
    {
        var clients = new ScriptedTransport[1000];
        Task[] written = [.. Enumerable.Range(0, clients.Length).Select(i =>
        {
            clients[i] = new ScriptedTransport();
            QueueTo(clients[i]).TrySend("all");
            return clients[i].NextWriteAsync();
        })];
        _cork.Pull();
        await Task.WhenAll(written);
        Assert.All(clients, client => Assert.Single(client.Writes));
    }

    private static void AssertSent(ScriptedTransport transport, params IEnumerable<string> frames) =>
        Assert.Equal(string.Join('\n', frames), string.Join('\n', transport.Frames));

    private static void OnAnotherThread(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(action));
        thread.Start();
        thread.Join();
        Assert.Null(failure);
    }
}
