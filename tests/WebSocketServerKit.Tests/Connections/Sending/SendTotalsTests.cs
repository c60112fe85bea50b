namespace WebSocketServerKit.Connections.Sending;

public sealed class SendTotalsTests
{
    [Fact]
    public void All_threads_count_together()
    {
        var totals = new SendTotals();
        Parallel.For(0, 1000, _ =>
        {
            totals.Drop(2);
            totals.Replace();
        });
        Assert.Equal((2000, 1000), (totals.Dropped, totals.Replaced));
    }
}
