using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

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
        Assert.True(_ping.TryBegin(_heartbeat, TimeSpan.Zero, payload));
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
        byte[] payload = new byte[PingLatency.PayloadSize];
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_ping.TryBegin(_heartbeat, timeout, payload));
        _time.Advance(TimeSpan.FromSeconds(14));
        Assert.False(_ping.TryBegin(_heartbeat, timeout, payload));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_ping.TryBegin(_heartbeat, timeout, payload));
        _ping.End(_heartbeat, payload);
        Assert.True(_ping.TryBegin(_heartbeat, timeout, payload));
    }

    [Fact]
    public async Task All_who_wait_get_the_time_of_the_next_pong()
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        Task<TimeSpan?> first = _ping.WhenAnswered();
        byte[] payload = Begin();
        Task<TimeSpan?> second = _ping.WhenAnswered();
        _ping.End(_heartbeat, [1, 2, 3, 4, 5, 6, 7, 8]);
        Assert.False(first.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(30));
        _ping.End(_heartbeat, payload);
        Assert.Equal(TimeSpan.FromMilliseconds(30), await first.InTime());
        Assert.Equal(TimeSpan.FromMilliseconds(30), await second.InTime());
        Assert.False(_ping.WhenAnswered().IsCompleted);
    }

    [Fact]
    public async Task Who_waits_when_the_connection_ends_is_told_that_no_pong_comes()
    {
        Task<TimeSpan?> waiting = _ping.WhenAnswered();
        _ping.Abandon();
        Assert.Null(await waiting.InTime());
        _ping.Abandon();
    }
}
