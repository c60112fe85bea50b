using Dashboard.Served;
using Microsoft.Extensions.Time.Testing;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class MeterTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Meter _meter;

    public MeterTests() => _meter = new Meter(_time);

    [Fact]
    public void Totals_are_exact()
    {
        _meter.Received(10, TimeSpan.Zero);
        _meter.Received(20, TimeSpan.Zero);
        _meter.Sent(5, new BroadcastResult(Sent: 3, Dropped: 2, Skipped: 1));
        Assert.Equal(new Totals(MessagesIn: 2, BytesIn: 30, MessagesOut: 3, BytesOut: 15, Dropped: 2), _meter.Totals);
    }

    [Fact]
    public void A_point_has_the_rates_since_the_last_one()
    {
        _meter.Received(10, TimeSpan.FromMicroseconds(4));
        _time.Advance(TimeSpan.FromSeconds(1));
        _meter.EndSecond(clients: 1);

        for (int i = 0; i < 6; i++)
            _meter.Received(100, TimeSpan.FromMicroseconds(8));
        _meter.Sent(7, new BroadcastResult(Sent: 4, Dropped: 0, Skipped: 0));
        _time.Advance(TimeSpan.FromSeconds(2)); // a late one
        Second second = _meter.EndSecond(clients: 5);

        Assert.Equal((3, 300, 2, 14, 5), (second.MessagesIn, second.BytesIn, second.MessagesOut, second.BytesOut, second.Clients));
        Assert.Equal(_time.GetUtcNow().ToUnixTimeMilliseconds(), second.Time);
        Assert.InRange(second.HandlerP99!.Value, 8, 9);
    }

    [Fact]
    public void A_second_without_messages_has_no_handler_time()
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(_meter.EndSecond(clients: 0).HandlerP99);
    }

    [Fact]
    public void Two_minutes_are_kept()
    {
        for (int i = 1; i <= 130; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            _meter.EndSecond(clients: i);
        }

        Assert.Equal(Enumerable.Range(11, 120), _meter.Past().Select(second => second.Clients));
    }
}
