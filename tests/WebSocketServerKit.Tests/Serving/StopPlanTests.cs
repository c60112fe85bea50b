namespace WebSocketServerKit.Serving;

public sealed class StopPlanTests
{
    [Fact]
    public void Is_a_copy_of_the_options()
    {
        var options = new StopOptions
        {
            Code = CloseCode.ServiceRestart,
            Reason = "update",
            ReadinessDelay = TimeSpan.FromSeconds(1),
            Spread = TimeSpan.FromSeconds(2),
            Timeout = TimeSpan.FromSeconds(3),
        };
        var plan = new StopPlan(options);
        options.Code = CloseCode.NormalClosure;
        options.Reason = "other";
        options.RetryAfter = options.ReadinessDelay = options.Spread = TimeSpan.FromMinutes(1);
        options.Timeout = null;
        Assert.Equal((CloseCode.ServiceRestart, "update", "5"), (plan.Code, plan.NextReason(), plan.NextRetryAfter()));
        Assert.Equal((TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3)), (plan.ReadinessDelay, plan.Spread, plan.Timeout));
    }

    [Fact]
    public void Without_options_nothing_listens_on_and_nobody_is_told_when_to_come_back()
    {
        Assert.Equal((CloseCode.GoingAway, "server is stopping", "5", false),
            (StopPlan.Default.Code, StopPlan.Default.NextReason(), StopPlan.Default.NextRetryAfter(), StopPlan.Default.KeepsListening));
        Assert.Equal("", new StopPlan(CloseCode.ServiceRestart, "").NextReason());
        Assert.True(new StopPlan(new StopOptions { Spread = TimeSpan.FromSeconds(1) }).KeepsListening);
        Assert.True(new StopPlan(new StopOptions { ReadinessDelay = TimeSpan.FromSeconds(1) }).KeepsListening);
    }

    [Fact]
    public void Each_client_gets_a_retry_hint_of_its_own_within_the_bounds()
    {
        var plan = new StopPlan(new StopOptions { RetryAfter = TimeSpan.FromSeconds(2), Spread = TimeSpan.FromSeconds(3), Reason = "" });
        Assert.Equal("2 3 4 5", All(plan.NextRetryAfter));
        Assert.Equal("retry after 2 s retry after 3 s retry after 4 s retry after 5 s", All(plan.NextReason));

        static string All(Func<string> next) =>
            string.Join(' ', Enumerable.Range(0, 1000).Select(_ => next()).ToHashSet(StringComparer.Ordinal).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1000)]
    public void The_clients_are_spread_evenly_each_in_its_own_part_of_the_time(int count)
    {
        var spread = TimeSpan.FromSeconds(10);
        var plan = new StopPlan(new StopOptions { Spread = spread });
        for (int i = 0; i < count; i++)
            Assert.InRange(plan.Due(i, count), spread * ((double)i / count), spread * ((i + 1.0) / count));
    }
}
