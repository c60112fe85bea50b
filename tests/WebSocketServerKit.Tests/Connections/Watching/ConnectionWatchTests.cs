using Microsoft.Extensions.Logging;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Watching;

public sealed class ConnectionWatchTests : LifetimeTest
{
    [Fact]
    public async Task A_slow_handler_is_logged_once_for_each_message()
    {
        TaskCompletionSource go = await OpenWithPendingHandlerAsync("1");
        _stage.Beats(4);
        Assert.Empty(_stage.Logged(12));
        _stage.Beats(1);
        Assert.Equal(LogLevel.Warning, Assert.Single(_stage.Logged(12)).Level);
        _stage.Beats(10);
        Assert.Single(_stage.Logged(12));
        Assert.Contains("A handler of Message", Assert.Single(_stage.Logged(12)).Message, StringComparison.Ordinal);

        go.SetResult();
        await Transport.WhenIdle;
        TaskCompletionSource second = Timely.Signal();
        Connection.OnMessage = async () => await second.Task;
        Transport.Receive(Frames.Text("2"));
        await Connection.Called("Message 2");
        _stage.Beats(5);
        Assert.Equal(2, _stage.Logged(12).Count());
        second.SetResult();
        await Transport.WhenIdle;
    }

    [Fact]
    public async Task The_latency_of_a_client_that_is_not_silent_is_measured_on_demand()
    {
        await _stage.OpenAsync();
        _ = Connection.PingAsync();
        _ = Connection.PingAsync(); // the first is not answered yet
        SentFrame ping = Assert.Single(Transport.Frames);
        Assert.Equal(Opcode.Ping, ping.Opcode);
        _stage.Time.Advance(TimeSpan.FromMilliseconds(20));
        Transport.Receive(Frames.Frame(Opcode.Pong, ping.Payload));
        await Transport.WhenIdle;
        Assert.Equal(TimeSpan.FromMilliseconds(20), Connection.Latency);

        _ = Connection.PingAsync();
        Assert.Equal(2, Transport.Frames.Count);
        _stage.Time.Advance(TimeSpan.FromSeconds(10));
        _ = Connection.PingAsync();
        Assert.Equal(2, Transport.Frames.Count);
        _stage.Time.Advance(TimeSpan.FromSeconds(5)); // the ping timeout
        _ = Connection.PingAsync();
        Assert.Equal(3, Transport.Frames.Count);
        Assert.Equal(TimeSpan.FromMilliseconds(20), Connection.Latency);

        Connection.BeginClose(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Server, CloseCode.NormalClosure, ""));
        _stage.Time.Advance(TimeSpan.FromSeconds(1));
        _ = Connection.PingAsync();
        Assert.Equal(Opcode.Close, Transport.Frames[^1].Opcode);
    }

    [Fact]
    public async Task A_silent_client_is_pinged_and_its_pong_tells_the_latency()
    {
        await _stage.OpenAsync();
        Assert.Null(Connection.Latency);
        _stage.Beats(19);
        Assert.Empty(Transport.Frames);
        _stage.Beats(1);
        SentFrame ping = Assert.Single(Transport.Frames);
        Assert.Equal(Opcode.Ping, ping.Opcode);

        _stage.Time.Advance(TimeSpan.FromMilliseconds(30));
        Transport.Receive(Frames.Frame(Opcode.Pong, "unsolicited"u8));
        await Transport.WhenIdle;
        Assert.Null(Connection.Latency);
        Transport.Receive(Frames.Frame(Opcode.Pong, ping.Payload));
        await Transport.WhenIdle;
        Assert.Equal(TimeSpan.FromMilliseconds(30), Connection.Latency);

        // A second copy of the same pong is no new measurement.
        _stage.Time.Advance(TimeSpan.FromMilliseconds(500));
        Transport.Receive(Frames.Frame(Opcode.Pong, ping.Payload));
        await Transport.WhenIdle;
        Assert.Equal(TimeSpan.FromMilliseconds(30), Connection.Latency);
        _stage.Beats(19);
        Assert.Single(Transport.Frames);
        _stage.Beats(1);
        Assert.Equal(2, Transport.Frames.Count);
    }

    [Fact]
    public async Task A_keep_alive_ping_repeats_the_ping_of_a_caller_that_waits_so_that_the_answer_to_either_counts()
    {
        await _stage.OpenAsync();
        _stage.Beats(18);
        Task<TimeSpan?> waiting = Connection.PingAsync();
        _stage.Beats(4); // the client has been silent for the interval
        Assert.Equal(2, Transport.Frames.Count);
        Assert.Equal(Transport.Frames[0].Payload, Transport.Frames[1].Payload);
        Transport.Receive(Frames.Frame(Opcode.Pong, Transport.Frames[1].Payload));
        Assert.Equal(TimeSpan.FromSeconds(4), await waiting.InTime());
    }

    [Fact]
    public async Task A_client_whose_pongs_have_the_wrong_payload_is_pinged_at_each_interval_all_the_same_and_stays()
    {
        await using var stage = new ConnectionStage(settings => settings with { PingTimeout = TimeSpan.FromSeconds(60) });
        await stage.OpenAsync();
        for (int pings = 1; pings <= 5; pings++)
        {
            stage.Beats(20);
            Assert.Equal(pings, stage.Transport.Frames.Count);
            stage.Transport.Receive(Frames.Frame(Opcode.Pong, "mine"u8));
            await stage.Transport.WhenIdle;
        }

        Assert.True(stage.Connection.IsOpen);
    }

    [Fact]
    public async Task A_client_that_does_not_answer_a_ping_is_gone()
    {
        await _stage.OpenAsync();
        _stage.Beats(34);
        Assert.Equal(0, Transport.Aborts);
        _stage.Beats(1);
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.PingTimeout, ConnectionSide.Server, 1006);
        Assert.Single(Transport.Frames);
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task Half_a_frame_is_a_sign_of_life()
    {
        await _stage.OpenAsync();
        for (int i = 0; i < 5; i++)
        {
            _stage.Beats(19);
            Transport.Receive(i == 0 ? Frames.Frame(Opcode.Binary, new byte[100])[..7] : [0x20]);
            await Transport.WhenIdle;
        }

        Assert.Empty(Transport.Frames);
    }

    [Fact]
    public async Task A_client_whose_handler_runs_for_long_is_pinged_and_its_answer_is_seen()
    {
        TaskCompletionSource go = await OpenWithPendingHandlerAsync();
        for (int i = 1; i <= 3; i++)
        {
            while (Transport.Frames.Count < i)
                _stage.Beats(1);
            _stage.Beats(3);
            Transport.Receive(Frames.Frame(Opcode.Pong, Transport.Frames[^1].Payload));
            _stage.Beats(1);
            Assert.Equal(TimeSpan.FromSeconds(4), Connection.Latency);
        }

        _stage.Beats(15);
        Assert.True(Connection.IsOpen);
        go.SetResult();
        await Transport.WhenIdle;
    }

    [Theory]
    [InlineData("Request /chat")]
    [InlineData("Connected")]
    [InlineData("Message 1")]
    public async Task A_handler_that_ends_while_somebody_looks_at_the_peer_is_gone_on_behind_only_when_that_is_over(string handled)
    {
        TaskCompletionSource handler = Timely.Signal();
        Action wait = async () => await handler.Task;
        if (handled == "Connected")
            Connection.OnConnected = wait;
        else if (handled == "Message 1")
            Connection.OnMessage = wait;
        else
            Connection.OnRequest = wait;
        _stage.Start();
        Transport.Receive(RequestHeads.Handshake);
        if (handled == "Message 1")
            Transport.Receive(Frames.Text("1"));
        await Connection.Called(handled);
        bool wentOn = false;
        bool decided = false;
        long contentions = Monitor.LockContentionCount;
        Transport.OnTryReceive = () =>
        {
            handler.SetResult();
            // Either the loop goes on, or it has to wait for the lock.
            decided = SpinWait.SpinUntil(
                () => (wentOn = handled.StartsWith('R') ? Connection.WasCalled("EndRequest") : Transport.IsWaitedFor) || Monitor.LockContentionCount != contentions,
                TimeSpan.FromSeconds(30));
        };
        _stage.Beats(2);
        Assert.Null(Transport.OnTryReceive);
        Assert.True(decided, "The loop neither went on nor waited for the lock.");
        Assert.False(wentOn);
        await Connection.Called("Connected");
        await Transport.WhenIdle;
    }

    [Fact]
    public async Task A_client_that_vanishes_while_its_handler_runs_is_noticed()
    {
        TaskCompletionSource go = await OpenWithPendingHandlerAsync();
        _stage.Beats(40);
        AssertEnding(DisconnectCause.PingTimeout, ConnectionSide.Server, 1006);
        go.SetResult();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task A_client_that_talks_but_takes_nothing_is_cut()
    {
        await _stage.OpenAsync();
        Transport.HoldWrites();
        Connection.Queue.TrySend("never taken");
        for (int i = 0; i < 36; i++)
        {
            Assert.True(Connection.IsOpen);
            Transport.Receive(Frames.Frame(Opcode.Pong, []));
            await Transport.WhenIdle;
            _stage.Beats(1);
        }

        _stage.Beats(1);
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.SendTimeout, ConnectionSide.Server, 1006);
    }

    [Fact]
    public async Task A_silent_client_that_slowly_takes_a_large_message_is_not_cut()
    {
        await _stage.OpenAsync();
        Transport.HoldWrites();
        Connection.Queue.TrySend(Opcode.Binary, new byte[4 * 1024 * 1024]);
        for (int i = 0; i < 16; i++)
        {
            await Transport.NextWriteAsync();
            _stage.Beats(12);
            Assert.True(Connection.IsOpen);
            Transport.LetWriteEnd();
        }

        Assert.Equal(0, Transport.Aborts);
    }

    [Fact]
    public async Task A_client_whose_answer_to_a_ping_lies_unread_is_not_blamed_for_it()
    {
        await _stage.OpenAsync();
        _stage.Beats(34);
        Transport.PretendsUnread = true;
        _stage.Beats(30);
        Assert.True(Connection.IsOpen);
        Transport.PretendsUnread = false;
        _stage.Beats(40);
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.PingTimeout, ConnectionSide.Server, 1006);
    }
}
