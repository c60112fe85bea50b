using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Watching;

public sealed class HeartbeatTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Beats_once_per_interval_and_tells_the_time()
    {
        List<long> beats = [];
        using var heartbeat = new Heartbeat(_time, Second, beats.Add);
        long start = heartbeat.Now;
        Assert.Equal(_time.GetTimestamp(), start);
        _time.Advance(Second / 2);
        Assert.Equal(start, heartbeat.Now);
        _time.Advance(Second / 2);
        _time.Advance(Second);
        Assert.Equal([start + heartbeat.ToTimestamp(Second), start + heartbeat.ToTimestamp(2 * Second)], beats);
        Assert.Equal(beats[^1], heartbeat.Now);
    }

    [Fact]
    public void What_is_after_a_time_is_never_early_and_at_most_two_beats_late()
    {
        foreach (int offset in (int[])[0, 1, 500, 999])
        {
            long reached = 0, due = long.MaxValue;
            using var heartbeat = new Heartbeat(_time, Second, now => reached = now >= due && reached == 0 ? now : reached);
            _time.Advance(TimeSpan.FromMilliseconds(offset));
            long start = heartbeat.Timestamp();
            due = heartbeat.After(5 * Second);
            for (int i = 0; i < 20; i++)
                _time.Advance(Second / 2);
            Assert.InRange(heartbeat.Elapsed(start, reached), 5 * Second, 7 * Second);
        }
    }

    [Fact]
    public void An_infinite_time_is_never_reached_and_can_be_added_up()
    {
        using var heartbeat = new Heartbeat(_time, Second, _ => { });
        long never = heartbeat.ToTimestamp(Timeout.InfiniteTimeSpan);
        Assert.True(never > heartbeat.After(TimeSpan.FromDays(24 * 365)));
        Assert.True(heartbeat.Now + never + never > heartbeat.Now);
        Assert.True(heartbeat.After(Timeout.InfiniteTimeSpan) > heartbeat.Now + heartbeat.ToTimestamp(TimeSpan.FromDays(24)));
    }

    [Fact]
    public async Task The_next_beat_can_be_awaited_by_many_and_again()
    {
        using var heartbeat = new Heartbeat(_time, Second, _ => { });
        Task first = heartbeat.WhenNextBeat();
        Assert.Same(first, heartbeat.WhenNextBeat());
        Assert.False(first.IsCompleted);
        _time.Advance(Second);
        await first.InTime();
        Task second = heartbeat.WhenNextBeat();
        Assert.False(second.IsCompleted);
        _time.Advance(Second);
        await second.InTime();
    }

    [Fact]
    public async Task Disposed_it_beats_no_more_and_nobody_waits_for_it_in_vain()
    {
        int beats = 0;
        var heartbeat = new Heartbeat(_time, Second, _ => beats++);
        Task before = heartbeat.WhenNextBeat();
        heartbeat.Dispose();
        await before.InTime();
        await heartbeat.WhenNextBeat().InTime();
        await heartbeat.WhenNextBeat().InTime();
        _time.Advance(10 * Second);
        Assert.Equal(0, beats);
    }

    [Fact]
    public void Beats_never_overlap()
    {
        var clock = new HandClock();
        int beats = 0;
        using var heartbeat = new Heartbeat(clock, Second, _ =>
        {
            beats++;
            if (beats == 1)
                clock.Fire!();
        });
        clock.Fire!();
        Assert.Equal(1, beats);
        clock.Fire();
        Assert.Equal(2, beats);
    }

    /// <summary>A clock whose timer fires when the test says so, even during its own callback.</summary>
    private sealed class HandClock : TimeProvider
    {
        public Action? Fire { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Fire = () => callback(state);
            return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    [Fact]
    public void A_pause_of_the_process_is_no_time_that_has_passed()
    {
        var time = new PausedTime();
        List<double> seconds = [];
        using var heartbeat = new Heartbeat(time, Second, now => seconds.Add(now / (double)time.TimestampFrequency));
        time.Beat(1);
        time.Beat(2);
        time.Beat(62); // a minute in a debugger
        time.Beat(63);
        time.Beat(64);
        Assert.Equal([1, 2, 4, 5, 6], seconds);
        Assert.Equal(64, heartbeat.Timestamp() / (double)time.TimestampFrequency);
    }

    [Fact]
    public void It_tells_how_late_the_latest_beat_was_and_how_late_the_next_one_is()
    {
        var time = new PausedTime();
        var heartbeat = new Heartbeat(time, Second, _ => { });
        time.Beat(1);
        Assert.Equal(TimeSpan.Zero, heartbeat.Lateness);
        time.Beat(3.5);
        Assert.Equal(TimeSpan.FromSeconds(1.5), heartbeat.Lateness);
        time.Beat(4);
        Assert.Equal(TimeSpan.Zero, heartbeat.Lateness);
        time.Pass(9);
        Assert.Equal(TimeSpan.FromSeconds(4), heartbeat.Lateness);
        heartbeat.Dispose();
        Assert.Equal(TimeSpan.Zero, heartbeat.Lateness);
    }

    [Fact]
    public void A_beat_that_is_a_little_late_counts_in_full()
    {
        var time = new PausedTime();
        List<double> seconds = [];
        using var heartbeat = new Heartbeat(time, Second, now => seconds.Add(now / (double)time.TimestampFrequency));
        time.Beat(1);
        time.Beat(2.9);
        time.Beat(3.9);
        Assert.Equal([1, 2.9, 3.9], seconds);
    }

    [Fact]
    public void A_clock_that_is_put_forward_counts_in_full()
    {
        using var heartbeat = new Heartbeat(_time, Second, _ => { });
        long start = heartbeat.Now;
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(start + heartbeat.ToTimestamp(TimeSpan.FromMinutes(1)), heartbeat.Now);
    }

    [Fact]
    public void A_beat_that_fails_does_not_end_those_that_follow()
    {
        int beats = 0;
        var time = new PausedTime();
        using var heartbeat = new Heartbeat(time, Second, _ => { if (++beats == 1) throw new InvalidTimeZoneException(); });
        Assert.Throws<InvalidTimeZoneException>(() => time.Beat(1));
        time.Beat(2);
        Assert.Equal(2, beats);
    }

    /// <summary>A clock whose one timer fires when the test says so.</summary>
    private sealed class PausedTime : TimeProvider
    {
        private long _now;
        private Action? _beat;

        public void Beat(double atSecond)
        {
            Pass(atSecond);
            _beat!();
        }

        public void Pass(double toSecond) => _now = (long)(toSecond * TimestampFrequency);

        public override long GetTimestamp() => _now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _beat = () => callback(state);
            return new NoTimer();
        }

        private sealed class NoTimer : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
                // Nothing is under way.
            }

            public ValueTask DisposeAsync() => default;
        }
    }
}
