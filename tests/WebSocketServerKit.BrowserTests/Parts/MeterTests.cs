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
        _meter.Sent(5, receivers: 3);
        _meter.Relayed(new Delivery(Size: 7, new BroadcastResult { Sent = 1, Queued = 1, Dropped = 1, Closed = 1 }));
        Assert.Equal(new Totals(MessagesIn: 2, BytesIn: 30, MessagesOut: 5, BytesOut: 29, Relayed: 1, RelayCopies: 2, RelayDropped: 1), _meter.Totals);
    }

    [Fact]
    public void What_the_page_sent_is_not_relayed_nor_is_what_reached_nobody()
    {
        _meter.Sent(5, receivers: 3);
        _meter.Relayed(new Delivery(Size: 7, new BroadcastResult { Dropped = 1 }));
        Assert.Equal((0, 0, 1), (_meter.Totals.Relayed, _meter.Totals.RelayCopies, _meter.Totals.RelayDropped));
    }

    [Fact]
    public void A_point_has_the_rates_since_the_last_one()
    {
        _meter.Received(10, TimeSpan.FromMicroseconds(4));
        _time.Advance(TimeSpan.FromSeconds(1));
        _meter.EndSecond(clients: 1);

        for (int i = 0; i < 6; i++)
            _meter.Received(100, TimeSpan.FromMicroseconds(8));
        _meter.Sent(7, receivers: 4);
        _time.Advance(TimeSpan.FromSeconds(2)); // a late one
        Second second = _meter.EndSecond(clients: 5);

        Assert.Equal((3, 300, 2, 14, 5), (second.MessagesIn, second.BytesIn, second.MessagesOut, second.BytesOut, second.Clients));
        Assert.Equal(_time.GetUtcNow().ToUnixTimeMilliseconds(), second.Time);
        Assert.InRange(second.HandlerP99!.Value, 8, 9);
    }

    [Fact]
    public void The_handler_time_is_that_of_the_last_ten_seconds_so_that_a_client_that_speaks_now_and_then_leaves_no_gap()
    {
        Assert.Null(EndSecond().HandlerP99);
        _meter.Received(10, TimeSpan.FromMicroseconds(4));
        for (int i = 0; i < 10; i++)
            Assert.InRange(EndSecond().HandlerP99!.Value, 4, 4.5);
        Assert.Null(EndSecond().HandlerP99);

        Second EndSecond()
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return _meter.EndSecond(clients: 1);
        }
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
