using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Closing;

public sealed class CloseDeadlineTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly Heartbeat _heartbeat;
    private readonly CloseDeadline _deadline;

    public CloseDeadlineTests()
    {
        _heartbeat = new Heartbeat(_time, TimeSpan.FromSeconds(1), _ => { });
        // The close timeout is 5 s there.
        _deadline = new CloseDeadline(new ScriptedTransport(), ConnectionStage.DefaultSettings(new LeakCheckingPool()), _heartbeat);
    }

    public void Dispose() => _heartbeat.Dispose();

    private bool IsOverAfter(int seconds)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        return _deadline.IsOver(_heartbeat.Now);
    }

    [Fact]
    public void A_peer_that_makes_no_progress_has_the_close_timeout_and_is_cut_once()
    {
        Assert.False(IsOverAfter(100));
        _deadline.Start();
        Assert.False(IsOverAfter(5));
        Assert.True(IsOverAfter(1));
        Assert.False(IsOverAfter(100));
    }

    [Fact]
    public void Another_start_gives_the_time_anew_and_a_stop_takes_it_away()
    {
        _deadline.Start();
        Assert.False(IsOverAfter(5));
        _deadline.Start();
        Assert.False(IsOverAfter(5));
        _deadline.Stop();
        Assert.False(IsOverAfter(100));
    }

    [Fact]
    public void A_shorter_time_counts_instead_of_the_close_timeout()
    {
        _deadline.StartWith(TimeSpan.FromSeconds(1));
        Assert.False(IsOverAfter(1));
        Assert.True(IsOverAfter(1));
    }

    [Fact]
    public void The_time_of_handlers_runs_from_the_first_start_on()
    {
        Assert.False(_deadline.IsOverForHandlers(_heartbeat.Now));
        _deadline.StartForHandlers();
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.False(_deadline.IsOverForHandlers(_heartbeat.Now));
        _deadline.StartForHandlers();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_deadline.IsOverForHandlers(_heartbeat.Now));
    }
}
