using System.Diagnostics.Metrics;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Diagnostics;

public sealed class ServerMetricsTests : IDisposable
{
    private readonly Instruments _instruments = new();
    private readonly Figures _figures = new();

    public void Dispose() => _instruments.Dispose();

    [Fact]
    public void Events_are_recorded_with_their_tags()
    {
        using var metrics = new ServerMetrics(_figures, _instruments, name: null);
        metrics.HandshakeAnswered(101, null);
        metrics.HandshakeAnswered(403, "OriginNotAllowed");
        Assert.Equal(
            ["1 http.response.status_code=101", "1 http.response.status_code=403 websocket.refusal.reason=origin_not_allowed"], _instruments.Of("websocket.server.handshakes"));
        metrics.HandshakeEnded(TimeSpan.FromMilliseconds(5), 101);
        metrics.HandshakeEnded(TimeSpan.FromMilliseconds(7), null);
        metrics.HandshakeEnded(TimeSpan.FromMilliseconds(9), null, "refused");
        Assert.Equal(["0.005 http.response.status_code=101", "0.007 error.type=connection_lost", "0.009 error.type=refused"], _instruments.Of("websocket.server.handshake.duration"));
        metrics.MessageReceived(64);
        Assert.Equal(["64"], _instruments.Of("websocket.server.message.size"));
        metrics.HandlersEnded(TimeSpan.FromSeconds(2));
        Assert.Equal(["2"], _instruments.Of("websocket.server.handler.duration"));
        metrics.HandlerFailed("ClientConnected");
        Assert.Equal(["1 websocket.event=client_connected"], _instruments.Of("websocket.server.handler.failures"));
        metrics.PingAnswered(TimeSpan.FromSeconds(1));
        Assert.Equal(["1"], _instruments.Of("websocket.server.ping.duration"));
        metrics.TimerRan(TimeSpan.FromSeconds(3));
        metrics.LoopTurned(TimeSpan.FromSeconds(4));
        Assert.Equal(["3 websocket.lag.source=timer", "4 websocket.lag.source=event_loop"], _instruments.Of("websocket.server.lag"));
    }

    [Theory]
    [InlineData(1000, true, "1000")]
    [InlineData(2999, true, "2999")]
    [InlineData(3000, true, "3xxx")]
    [InlineData(4321, true, "4xxx")]
    [InlineData(4321, false, "4321")]
    public void A_close_code_that_a_client_makes_up_is_no_tag_of_its_own(int code, bool isClients, string tag)
    {
        using var metrics = new ServerMetrics(_figures, _instruments, name: null);
        metrics.ClientClosed(DisconnectCause.PingTimeout, code, isClients, TimeSpan.FromSeconds(9));
        Assert.Equal([$"1 websocket.close.code={tag} websocket.disconnect.cause=ping_timeout"], _instruments.Of("websocket.server.clients.closed"));
        Assert.Equal(["9"], _instruments.Of("websocket.server.client.duration"));
        metrics.ClientClosed(DisconnectCause.PingTimeout, code, isClients, TimeSpan.FromSeconds(-1)); // the clock was set
        Assert.Equal(["9", "0"], _instruments.Of("websocket.server.client.duration"));
    }

    [Fact]
    public void The_name_of_the_server_is_a_tag_of_all()
    {
        using var metrics = new ServerMetrics(_figures, _instruments, "chat");
        metrics.HandshakeAnswered(101, null);
        metrics.MessageReceived(1);
        metrics.TimerRan(default);
        Assert.Equal(["1 http.response.status_code=101 websocket.server.name=chat"], _instruments.Of("websocket.server.handshakes"));
        Assert.Equal(["1 websocket.server.name=chat"], _instruments.Of("websocket.server.message.size"));
        Assert.Equal(["0 websocket.lag.source=timer websocket.server.name=chat"], _instruments.Of("websocket.server.lag"));
    }

    [Fact]
    public void Messages_are_measured_while_somebody_listens_to_them()
    {
        using var unheard = new ServerMetrics(_figures, new Silent(), name: null);
        Assert.False(unheard.MeasuresMessages);
        Assert.False(unheard.MeasuresLag);
        unheard.HandshakeAnswered(101, null);
        unheard.HandshakeEnded(default, 101);
        unheard.ClientClosed(DisconnectCause.Closed, 1000, false, default);
        unheard.HandlerFailed("MessageReceived");
        unheard.TimerRan(default);
        using (Instruments sizes = new("websocket.server.message.size"), durations = new("websocket.server.handler.duration"), lags = new("websocket.server.lag"))
        {
            using ServerMetrics ofSizes = new(_figures, sizes, null), ofDurations = new(_figures, durations, null), ofLags = new(_figures, lags, null);
            Assert.True(ofSizes.MeasuresMessages);
            Assert.True(ofDurations.MeasuresMessages);
            Assert.False(ofLags.MeasuresMessages);
            Assert.True(ofLags.MeasuresLag);
        }
    }

    [Fact]
    public void Of_a_client_the_first_messages_are_measured_and_then_one_in_1024() =>
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 1_024, 2_048], Enumerable.Range(1, 3_000).Where(message => ServerMetrics.IsSampled(message)));

    [Fact]
    public void A_listener_that_throws_harms_nobody()
    {
        Silent factory = new();
        using var metrics = new ServerMetrics(_figures, factory, name: null);
        int thrown = 0;
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter.Scope, factory))
                listener.EnableMeasurementEvents(instrument);
        };
        void Throw() => throw new InvalidOperationException($"on purpose, for the {++thrown}. time");
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => Throw());
        listener.SetMeasurementEventCallback<int>((_, _, _, _) => Throw());
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => Throw());
        listener.Start();
        metrics.HandshakeAnswered(101, null);
        metrics.HandshakeEnded(default, 101);
        metrics.ClientClosed(DisconnectCause.Closed, 1000, false, default);
        metrics.MessageReceived(1);
        metrics.HandlersEnded(default);
        metrics.HandlerFailed("MessageReceived");
        metrics.PingAnswered(default);
        metrics.TimerRan(default);
        Assert.Equal(9, thrown);
    }

    [Theory]
    [InlineData("PingTimeout", "ping_timeout")]
    [InlineData("ClientConnected", "client_connected")]
    [InlineData("Handshaking or HttpRequestReceived", "handshaking_or_http_request_received")]
    [InlineData("OnMessageStream", "on_message_stream")]
    [InlineData("", "")]
    public void Tags_are_in_snake_case(string name, string tag) => Assert.Equal(tag, ServerMetrics.SnakeCase(name));

    private sealed class Silent : IMeterFactory
    {
        public Meter Create(MeterOptions options) => new(options.Name, null, null, this);

        public void Dispose()
        {
            // Its meters end with their tests.
        }
    }
}
