using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Scheduling;

public sealed class SliceClockTests
{
    [Fact]
    public void A_clock_for_which_no_thread_can_be_started_tries_again_at_the_next_request()
    {
        int started = 0;
        SliceClock clock = new(_ =>
        {
            if (++started < 3)
                throw new InvalidOperationException("no threads left");
        });
        clock.Ask();
        Assert.False(clock.IsTicking);
        clock.Ask();
        clock.AddTick();
        clock.Ask();
        Assert.True(clock.IsTicking);
        clock.Ask();
        Assert.Equal(3, started);
    }

    [Fact]
    public async Task Asked_for_the_time_it_counts_and_left_alone_it_sleeps()
    {
        var clock = new SliceClock();
        Assert.False(clock.IsTicking);
        for (int round = 0; round < 3; round++)
        {
            int began = clock.Now;
            await Polling.UntilAsync(() => clock.IsOver(began));
            Assert.True(clock.IsTicking);
            await Polling.UntilAsync(() => !clock.IsTicking);
        }
    }

    [Fact]
    public void It_has_one_thread_however_many_ask()
    {
        int started = 0;
        var clock = new SliceClock(_ => Interlocked.Increment(ref started));
        Parallel.For(0, 100, _ => clock.Ask());
        Assert.Equal(1, started);
    }

    [Fact]
    public void A_slice_is_over_with_the_second_tick_from_its_beginning()
    {
        SliceClock clock = ConnectionStage.StoppedClock();
        int began = clock.Now;
        Assert.False(clock.IsOver(began));
        clock.AddTick();
        Assert.False(clock.IsOver(began));
        clock.AddTick();
        Assert.True(clock.IsOver(began));
        Assert.False(clock.IsOver(clock.Now));
    }

    [Fact]
    public void What_is_held_is_let_go_once_after_a_whole_tick_and_held_again_from_its_beginning()
    {
        SliceClock clock = ConnectionStage.StoppedClock();
        var first = new Held();
        var second = new Held();
        clock.Hold(first);
        clock.AddTick();
        clock.Hold(second);
        Assert.Equal((0, 0), (first.LetGos, second.LetGos));
        clock.AddTick();
        Assert.Equal((1, 0), (first.LetGos, second.LetGos));
        clock.Hold(second);
        clock.AddTick();
        Assert.Equal((1, 0), (first.LetGos, second.LetGos));
        clock.AddTick();
        clock.AddTick();
        Assert.Equal((1, 1), (first.LetGos, second.LetGos));
    }

    [Fact]
    public async Task What_is_held_wakes_a_clock_that_sleeps()
    {
        var held = new Held();
        new SliceClock().Hold(held);
        await held.LetGone.Task.InTime();
    }

    private sealed class Held : IHeldBack
    {
        public int LetGos { get; private set; }

        public TaskCompletionSource LetGone { get; } = Timely.Signal();

        public void LetGo()
        {
            LetGos++;
            LetGone.TrySetResult();
        }
    }
}
