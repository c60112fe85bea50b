using Microsoft.Extensions.Time.Testing;

namespace WebSocketServerKit.Connections.Watching;

public sealed class PingLatencyTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly Heartbeat _heartbeat;
    private PingLatency _ping = new();

    public PingLatencyTests() => _heartbeat = new Heartbeat(_time, TimeSpan.FromSeconds(1), _ => { });

    public void Dispose() => _heartbeat.Dispose();

    private byte[] Begin()
    {
        byte[] payload = new byte[PingLatency.PayloadSize];
        _ping.Begin(_heartbeat, payload);
        return payload;
    }

    [Fact]
    public void The_latency_is_the_time_from_a_ping_to_its_pong()
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(_ping.Latency);
        byte[] payload = Begin();
        _time.Advance(TimeSpan.FromMilliseconds(30));
        _ping.End(_heartbeat, payload);
        Assert.Equal(TimeSpan.FromMilliseconds(30), _ping.Latency);
    }

    [Fact]
    public void A_pong_that_answers_another_ping_or_none_counts_for_nothing()
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        byte[] first = Begin();
        _time.Advance(TimeSpan.FromMilliseconds(30));
        byte[] second = Begin();
        _ping.End(_heartbeat, first);
        _ping.End(_heartbeat, second.AsSpan(1));
        _ping.End(_heartbeat, []);
        Assert.Null(_ping.Latency);
        _ping.End(_heartbeat, second);
        Assert.Equal(TimeSpan.Zero, _ping.Latency);
        _time.Advance(TimeSpan.FromMilliseconds(30));
        _ping.End(_heartbeat, second);
        Assert.Equal(TimeSpan.Zero, _ping.Latency);
    }

    [Fact]
    public void A_ping_is_under_way_until_its_pong_or_the_timeout()
    {
        TimeSpan timeout = TimeSpan.FromSeconds(15);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(_ping.IsUnderWay(_heartbeat, timeout));
        Begin();
        _time.Advance(TimeSpan.FromSeconds(14));
        Assert.True(_ping.IsUnderWay(_heartbeat, timeout));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(_ping.IsUnderWay(_heartbeat, timeout));
        _ping.End(_heartbeat, Begin());
        Assert.False(_ping.IsUnderWay(_heartbeat, timeout));
    }
}
