namespace WebSocketServerKit.Connections.Watching;

public sealed class SlowHandlersTests
{
    [Fact]
    public void Handlers_that_run_for_long_are_slow_once()
    {
        var handlers = new SlowHandlers(run: 1, now: 100);
        Assert.False(handlers.ShouldReport(now: 103, threshold: 4));
        Assert.True(handlers.ShouldReport(now: 104, threshold: 4));
        Assert.False(handlers.ShouldReport(now: 1000, threshold: 4));
    }

    [Fact]
    public void The_handlers_of_the_next_event_are_others()
    {
        var handlers = new SlowHandlers(run: 1, now: 100);
        Assert.True(handlers.IsSameRun(1));
        Assert.False(handlers.IsSameRun(3));
    }
}
