using System.Net;
using System.Net.WebSockets;
using System.Text;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections;

public sealed class ConnectionLifetimeTests : IAsyncDisposable
{
    private readonly ConnectionStage _stage = new();

    private ScriptedConnection Connection => _stage.Connection;

    private ScriptedTransport Transport => _stage.Transport;

    public ValueTask DisposeAsync() => _stage.DisposeAsync();

    private static ConnectionEnding HostCloses(int code = 1000, string reason = "enough") =>
        new(DisconnectCause.Closed, ConnectionSide.Server, (WebSocketCloseStatus)code, reason);

    private void AssertCalls(params string[] calls) => Assert.Equal(string.Join('\n', calls), _stage.Calls);

    private void AssertEnding(DisconnectCause cause, ConnectionSide side, int code, string reason = "", bool clean = false)
    {
        ConnectionEnding ending = Connection.Ending!;
        Assert.Equal((cause, side, code, reason, clean), (ending.Cause, ending.ClosedBy, (int)ending.Code, ending.Reason, Connection.WasClean));
    }

    private void AssertCloseSent(int code, string reason = "") =>
        Assert.Equal(((WebSocketCloseStatus)code, reason), Wire.CloseOf(Transport.Frames[^1]));

    private async Task<string> AnswerAsync() => Encoding.UTF8.GetString(await Transport.NextWriteAsync());

    // A message handler that goes on until the test ends it.
    private async Task<TaskCompletionSource> OpenWithPendingHandlerAsync(string message = "pending")
    {
        TaskCompletionSource go = Timely.Signal();
        Connection.OnMessage = async () => await go.Task;
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text(message));
        await Connection.Called($"Message {message}");
        return go;
    }

    // ---- The order of the contract

    [Fact]
    public async Task Events_come_in_the_order_of_the_contract_and_the_client_is_known_from_before_the_first_to_before_the_last()
    {
        Connection.OnRequest = () => { };
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("1"), Wire.Text("2"));
        Transport.Receive(Wire.Text("3"), Wire.Close(1000));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls(
            "Request /chat", "EndRequest", "HandshakeEnded", "Opened", "Connected", "Message 1", "Message 2", "Message 3", "Closed",
            "Disconnected", "Released");
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task The_answer_to_the_handshake_is_the_first_thing_sent()
    {
        Connection.OnOpened = () => Connection.Queue.TrySend("greeting from the registry");
        Connection.OnConnected = () => Connection.Queue.TrySend("greeting");
        await _stage.OpenAsync();
        Assert.Contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", Encoding.ASCII.GetString(Transport.Written), StringComparison.Ordinal);
        Assert.Equal("Text greeting from the registry\nText greeting", _stage.Sent);
    }

    [Fact]
    public async Task Messages_that_came_with_the_request_wait_for_the_end_of_the_connected_handlers()
    {
        TaskCompletionSource go = Timely.Signal();
        Connection.OnConnected = async () => await go.Task;
        _stage.Start();
        Transport.Receive(Encoding.ASCII.GetBytes(Wire.Request), Wire.Text("early"));
        await Connection.Called("Connected");
        _stage.Beats(30);
        Assert.False(Connection.WasCalled("Message early"));
        go.SetResult();
        await Connection.Called("Message early");
    }

    [Fact]
    public async Task A_message_waits_until_the_handlers_of_the_one_before_have_ended()
    {
        TaskCompletionSource go = await OpenWithPendingHandlerAsync("1");
        Transport.Receive(Wire.Text("2"));
        _stage.Beats(30);
        Assert.False(Connection.WasCalled("Message 2"));
        Assert.Equal("1", Connection.PayloadText);
        Connection.OnMessage = null;
        go.SetResult();
        await Connection.Called("Message 2");
    }

    // ---- The handshake

    [Fact]
    public async Task A_request_that_does_not_come_in_time_is_answered_with_408()
    {
        _stage.Start();
        await Transport.WhenIdle;
        Transport.Receive("GET / HTTP/1.1\r\n");
        await Transport.WhenIdle;
        _stage.Beats(10);
        Assert.Empty(Transport.Writes);
        _stage.Beats(1);
        Assert.StartsWith("HTTP/1.1 408 ", await AnswerAsync(), StringComparison.Ordinal);
        await Transport.WhenShutDown.InTime();
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("TurnAway TooSlow", "HandshakeEnded", "Released");
        Assert.Equal(0, Transport.Aborts);
    }

    [Fact]
    public async Task A_request_that_comes_when_its_client_was_turned_away_is_thrown_away()
    {
        _stage.Start();
        await Transport.WhenIdle;
        _stage.Beats(11);
        Assert.StartsWith("HTTP/1.1 408 ", await AnswerAsync(), StringComparison.Ordinal);
        Connection.BeginStop();
        Transport.Receive(Wire.Request);
        await Transport.WhenIdle;
        Assert.Equal(0, Transport.Disposals);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Single(Transport.Writes);
        AssertCalls("TurnAway TooSlow", "HandshakeEnded", "Released");
    }

    [Fact]
    public async Task One_that_was_lost_in_its_handshake_is_not_turned_away_any_more()
    {
        _stage.Start();
        await Transport.WhenIdle;
        Transport.Reset();
        await _stage.AssertReleasedAsync();
        Connection.BeginStop();
        AssertCalls("HandshakeEnded", "Released");
    }

    [Fact]
    public async Task Who_goes_on_sending_after_being_turned_away_is_cut()
    {
        _stage.Start();
        await Transport.WhenIdle;
        _stage.Beats(11);
        await AnswerAsync();
        Transport.Receive(Wire.Request);
        await Transport.WhenIdle;
        _stage.Beats(7);
        await _stage.AssertReleasedAsync();
        Assert.NotEqual(0, Transport.Aborts);
    }

    [Fact]
    public async Task Who_does_not_even_take_the_answer_is_cut()
    {
        Transport.HoldWrites();
        _stage.Start();
        await Transport.WhenIdle;
        _stage.Beats(11);
        await AnswerAsync();
        _stage.Beats(6);
        await _stage.AssertReleasedAsync();
        Assert.NotEqual(0, Transport.Aborts);
    }

    [Fact]
    public async Task Who_does_not_end_its_side_after_a_refusal_is_cut()
    {
        _stage.Start();
        Transport.Receive("BREW\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", await AnswerAsync(), StringComparison.Ordinal);
        await Transport.WhenShutDown.InTime();
        Transport.Receive("what it still sends is read and thrown away");
        await Transport.WhenIdle;
        Assert.Equal(0, Transport.Disposals);
        _stage.Beats(7); // the first sees that the answer was taken
        await _stage.AssertReleasedAsync();
        Assert.NotEqual(0, Transport.Aborts);
        AssertCalls("Refuse MalformedRequestLine", "HandshakeEnded", "Released");
    }

    [Fact]
    public async Task The_hosts_time_to_decide_does_not_count()
    {
        TaskCompletionSource go = Timely.Signal();
        Connection.OnRequest = async () => await go.Task;
        _stage.Start();
        Transport.Receive(Wire.Request);
        await Connection.Called("Request /chat");
        _stage.Beats(3600);
        go.SetResult();
        Assert.StartsWith("HTTP/1.1 101 ", await AnswerAsync(), StringComparison.Ordinal);
        await Connection.Called("Connected");
        _stage.Beats(11);
        Assert.True(Connection.IsOpen);
    }

    [Fact]
    public async Task A_handshake_that_is_under_way_when_the_server_stops_is_answered_with_503()
    {
        _stage.Start();
        Transport.Receive("GET / HTTP/1.1\r\n");
        await Transport.WhenIdle;
        Connection.BeginStop();
        Connection.BeginStop();
        Assert.StartsWith("HTTP/1.1 503 ", await AnswerAsync(), StringComparison.Ordinal);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("TurnAway Stopping", "HandshakeEnded", "Released");
    }

    [Fact]
    public async Task A_server_that_stops_before_the_connection_has_begun_still_answers_it()
    {
        Connection.BeginStop();
        _stage.Start();
        Assert.StartsWith("HTTP/1.1 503 ", await AnswerAsync(), StringComparison.Ordinal);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task A_server_that_stops_while_the_host_decides_is_seen_when_the_client_comes_in()
    {
        TaskCompletionSource go = Timely.Signal();
        Connection.OnRequest = async () => await go.Task;
        Connection.OnOpened = () => Connection.BeginStop();
        _stage.Start();
        Transport.Receive(Wire.Request);
        await Connection.Called("Request /chat");
        Connection.BeginStop();
        go.SetResult();
        await Connection.Called("Connected");
        Transport.Receive(Wire.Close(1001));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCloseSent(1001, "server is stopping");
        AssertEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, 1001, "server is stopping", clean: true);
    }

    [Fact]
    public async Task Who_is_not_admitted_is_turned_away_without_being_read()
    {
        Connection.Admission = Admission.TooManyClients;
        _stage.Start();
        Assert.StartsWith("HTTP/1.1 503 ", await AnswerAsync(), StringComparison.Ordinal);
        Transport.Receive(Wire.Request);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("TurnAway TooManyClients", "HandshakeEnded", "Released");
    }

    [Fact]
    public async Task The_answer_to_HEAD_has_no_body()
    {
        Connection.Answer = () => HandshakeResponse.Answer(HttpStatusCode.OK, "health"u8.ToArray(), "text/plain");
        _stage.Start();
        Transport.Receive("HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        string answer = await AnswerAsync();
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("Content-Length: 6\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n", answer, StringComparison.Ordinal);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task Who_leaves_before_its_request_is_complete_gets_no_answer_and_nobody_hears_of_it()
    {
        _stage.Start();
        Transport.Receive("GET / HTTP/1.1\r\n");
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("HandshakeEnded", "Released");
        Assert.Empty(Transport.Writes);
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task Who_is_reset_before_its_request_is_complete_is_let_go_quietly()
    {
        _stage.Start();
        await Transport.WhenIdle;
        Transport.Reset();
        await _stage.AssertReleasedAsync();
        AssertCalls("HandshakeEnded", "Released");
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task A_handler_that_fails_to_decide_accepts_nobody()
    {
        Connection.OnRequest = () => throw new InvalidTimeZoneException();
        _stage.Start();
        Transport.Receive(Wire.Request);
        Assert.StartsWith("HTTP/1.1 500 ", await AnswerAsync(), StringComparison.Ordinal);
        Assert.Equal(LogLevel.Error, Assert.Single(_stage.Logged(10)).Level);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task A_handler_that_fails_to_decide_because_another_WebSocket_failed_accepts_nobody_either()
    {
        // It may have asked a service whether to let the client in, over a WebSocket of its own.
        Connection.OnRequest = async () =>
        {
            await Task.Yield();
            throw new WebSocketException("the service that authorises is down");
        };
        _stage.Start();
        Transport.Receive(Wire.Request);
        Assert.StartsWith("HTTP/1.1 500 ", await AnswerAsync(), StringComparison.Ordinal);
        Assert.Single(_stage.Logged(10));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task Given_up_while_the_host_decides_there_is_no_answer()
    {
        Connection.OnRequest = async () => await new TaskCompletionSource().Task;
        _stage.Start();
        Transport.Receive(Wire.Request);
        await Connection.Called("Request /chat");
        Connection.EndStop();
        await _stage.AssertReleasedAsync();
        AssertCalls("Request /chat", "HandshakeEnded", "Released");
        Assert.Empty(Transport.Writes);
    }

    [Fact]
    public async Task An_error_inside_the_server_is_logged_and_costs_that_connection_only()
    {
        Connection.Answer = () => throw new InvalidTimeZoneException("a bug");
        _stage.Start();
        Transport.Receive(Wire.Request);
        await _stage.AssertReleasedAsync();
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(_stage.Logged(13)).Exception);
        AssertCalls("EndRequest", "HandshakeEnded", "Released");
    }

    // ---- Closing

    [Fact]
    public async Task The_clients_Close_frame_is_echoed_and_our_side_ends_first()
    {
        await _stage.OpenAsync();
        Transport.Receive(Wire.Close(3001, "bye"));
        await Connection.Called("Disconnected");
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Client, 3001, "bye", clean: true);
        AssertCloseSent(3001, "bye");
        Assert.Equal((1, 0, 0), (Transport.Shutdowns, Transport.Disposals, Transport.Aborts));

        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Equal(0, Transport.Aborts);
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task A_Close_frame_without_a_code_is_reported_as_1005_and_answered_without_one()
    {
        await _stage.OpenAsync();
        Transport.Receive(Wire.ClientFrame(Opcode.Close, []));
        await Connection.Called("Disconnected");
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Client, 1005, clean: true);
        AssertCloseSent(1005);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task What_the_client_sends_behind_its_Close_frame_is_read_and_thrown_away()
    {
        await _stage.OpenAsync();
        Transport.Receive(Wire.Close(1000), Wire.Text("behind"));
        await Connection.Called("Disconnected");
        Transport.Receive(Wire.Text("late"), new byte[100_000]);
        await Transport.WhenIdle;
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Single(Transport.Frames);
        Assert.DoesNotContain(Connection.Calls, call => call.StartsWith("Message", StringComparison.Ordinal));
        Assert.Equal(0, Transport.Aborts);
    }

    [Fact]
    public async Task Who_closes_and_does_not_end_its_side_is_cut_after_the_close_timeout()
    {
        await _stage.OpenAsync();
        Transport.Receive(Wire.Close(1000));
        await Connection.Called("Disconnected");
        _stage.Beats(5);
        Assert.Equal(0, Transport.Aborts);
        _stage.Beats(2);
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Client, 1000, clean: true);
        Assert.NotEqual(0, Transport.Aborts);
    }

    [Fact]
    public async Task The_host_closes_and_the_client_answers()
    {
        await _stage.OpenAsync();
        Task closed = Connection.WhenClosed();
        Assert.True(Connection.BeginClose(HostCloses()));
        AssertCloseSent(1000, "enough");
        Assert.False(Connection.IsOpen);
        Assert.False(Connection.BeginClose(HostCloses(4000, "again")));
        Assert.False(closed.IsCompleted);
        Assert.Equal(0, Transport.Shutdowns);

        Transport.Receive(Wire.Close(1000));
        await closed.InTime();
        Assert.True(Connection.WasCalled("Closed"));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Server, 1000, "enough", clean: true);
        Assert.Single(Transport.Frames);
        await Connection.WhenClosed().InTime();
        Assert.Equal(0, Transport.Aborts);
    }

    [Fact]
    public async Task Messages_that_come_after_our_Close_frame_are_not_raised()
    {
        await _stage.OpenAsync();
        Connection.BeginClose(HostCloses());
        Transport.Receive(Wire.Text("crossing"), Wire.ClientFrame(Opcode.Ping, "crossing"u8), Wire.Close(1000));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.False(Connection.WasCalled("Message crossing"));
        Assert.Single(Transport.Frames);
        Assert.True(Connection.WasClean);
    }

    [Fact]
    public async Task A_client_that_does_not_answer_our_Close_frame_is_cut_after_the_close_timeout()
    {
        await _stage.OpenAsync();
        Connection.BeginClose(HostCloses());
        _stage.Beats(5);
        Assert.Equal(0, Transport.Aborts);
        _stage.Beats(1);
        await Connection.WhenClosed().InTime();
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Server, 1000, "enough");
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task A_client_that_ends_its_side_instead_of_answering_was_not_closed_cleanly()
    {
        await _stage.OpenAsync();
        Connection.BeginClose(HostCloses());
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Server, 1000, "enough");
        Assert.Equal((1, 0), (Transport.Shutdowns, Transport.Aborts));
    }

    [Fact]
    public async Task A_Close_frame_goes_out_at_once_even_while_a_handler_runs_and_the_answer_is_read_after_it()
    {
        TaskCompletionSource go = await OpenWithPendingHandlerAsync();
        Connection.BeginClose(HostCloses());
        AssertCloseSent(1000, "enough");
        Transport.Receive(Wire.Text("not raised"), Wire.Close(1000));
        _stage.Beats(3);
        Assert.False(Connection.WasCalled("Closed"));
        go.SetResult();
        await Connection.Called("Disconnected");
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.True(Connection.WasClean);
        Assert.False(Connection.WasCalled("Message not raised"));
    }

    [Fact]
    public async Task A_client_that_has_answered_our_Close_frame_is_not_cut_because_a_handler_takes_longer_than_the_close_timeout()
    {
        TaskCompletionSource go = await OpenWithPendingHandlerAsync();
        Connection.BeginClose(HostCloses());
        Transport.Receive(Wire.Close(1000));
        _stage.Beats(8); // the close timeout is 5 of them
        Assert.Equal(0, Transport.Aborts);
        go.SetResult();
        await Connection.Called("Disconnected");
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.True(Connection.WasClean);
        Assert.Equal(0, Transport.Aborts);
    }

    [Fact]
    public async Task A_handler_that_does_not_end_after_both_sides_have_closed_is_given_up_as_after_a_cut()
    {
        _stage.IsAbandoned = true;
        await OpenWithPendingHandlerAsync();
        Connection.BeginClose(HostCloses());
        Transport.Receive(Wire.Close(1000));
        _stage.Beats(12);
        await _stage.AssertReleasedAsync();
        Assert.False(Connection.WasClean);
    }

    [Fact]
    public async Task A_payload_that_somebody_holds_for_ever_after_a_handler_let_the_next_message_come_keeps_no_client()
    {
        _stage.IsAbandoned = true;
        HandlerScope? held = null;
        Connection.OnMessage = () =>
        {
            held = Connection.Handlers;
            held.HoldPayload();
            held.LeaveAlone(HandlersEnd.GoOn, held.Run);
        };
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("1"), Wire.Text("2"));
        await Connection.Called("Message 1");
        await Timely.UntilAsync(() => held is { IsRunning: false });
        Connection.BeginClose(HostCloses());
        _stage.Beats(12);
        await _stage.AssertReleasedAsync();
        Assert.False(Connection.WasCalled("Message 2"));
        Assert.True(Transport.HasForgotten);
        held!.ReleasePayload();
    }

    [Fact]
    public async Task Closed_for_its_memory_before_the_answer_has_left_a_client_gets_both()
    {
        Connection.OnOpened = Connection.CloseForMemory;
        _stage.Start();
        Transport.Receive(Wire.Request);
        await Connection.Called("Connected");
        Assert.StartsWith("HTTP/1.1 101 ", Encoding.ASCII.GetString(Transport.Written), StringComparison.Ordinal);
        AssertCloseSent(1013, "server is short of memory");
        Connection.EndStop();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task A_client_that_has_ended_its_side_is_held_to_the_rate_as_before()
    {
        await using var stage = new ConnectionStage(settings => settings with { MaxMessagesPerSecond = 1 });
        TaskCompletionSource go = Timely.Signal();
        stage.Connection.OnMessage = async () => await go.Task;
        await stage.OpenAsync();
        stage.Transport.Receive(Wire.Text("1"));
        await stage.Connection.Called("Message 1");
        stage.Transport.Receive(Wire.Text("2"), Wire.Text("3"), Wire.Text("4"));
        stage.Transport.EndInput();
        stage.Beats(3);
        Assert.True(stage.Connection.IsEnding);
        go.SetResult();
        for (int i = 2; i <= 4; i++)
        {
            await stage.Connection.Called($"Message {i}");
            Assert.False(stage.Connection.WasCalled($"Message {i + 1}"));
            if (i == 4)
                break;
            await Timely.UntilAsync(() => stage.Connection.IsHoldingBack);
            stage.Beats(1);
        }

        await stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task The_first_cause_stays()
    {
        await _stage.OpenAsync();
        Assert.True(Connection.BeginClose(HostCloses()));
        Assert.False(Connection.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseFrame.Abnormal, "")));
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Server, 1000, "enough");
    }

    [Fact]
    public async Task Aborted_the_connection_is_cut_at_once()
    {
        await _stage.OpenAsync();
        var ending = new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseFrame.Abnormal, "");
        Assert.True(Connection.Abort(ending));
        Assert.NotEqual(0, Transport.Aborts);
        Assert.Equal(SendOutcome.Closed, Connection.Queue.TrySend("late"));
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.Aborted, ConnectionSide.Server, 1006);
        Assert.Empty(Transport.Frames);
        Assert.False(Connection.Abort(ending));
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task Stopped_a_client_is_told_1001()
    {
        await _stage.OpenAsync();
        Connection.BeginStop();
        AssertCloseSent(1001, "server is stopping");
        Transport.Receive(Wire.Close(1001));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, 1001, "server is stopping", clean: true);
    }

    // ---- Lost connections

    [Fact]
    public async Task The_end_without_a_Close_frame_is_reported_as_1006()
    {
        await _stage.OpenAsync();
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006);
        Assert.Null(Connection.Ending!.Exception);
        Assert.Empty(Transport.Frames);
        Assert.Equal((1, 0), (Transport.Shutdowns, Transport.Aborts));
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task A_client_that_ended_its_side_still_gets_what_was_queued_for_it_and_nothing_new()
    {
        await _stage.OpenAsync();
        Transport.HoldWrites();
        Connection.Queue.TrySend("under way");
        Connection.Queue.TrySend("queued");
        Transport.EndInput();
        // Ended: from now on the queue refuses.
        await Timely.UntilAsync(() => Connection.Queue.TrySend("new") == SendOutcome.Closed);
        Assert.Equal(0, Transport.Shutdowns);
        Transport.LetAllWritesEnd();
        await _stage.AssertReleasedAsync();
        Assert.StartsWith("Text under way\nText queued", _stage.Sent, StringComparison.Ordinal);
        Assert.Equal((1, 0), (Transport.Shutdowns, Transport.Aborts));
    }

    [Fact]
    public async Task A_client_that_ended_its_side_and_takes_nothing_is_cut_after_the_close_timeout()
    {
        await _stage.OpenAsync();
        Transport.HoldWrites();
        Connection.Queue.TrySend("never taken");
        Transport.EndInput();
        await Timely.UntilAsync(() => Connection.Queue.TrySend("") == SendOutcome.Closed);
        _stage.Beats(6);
        await _stage.AssertReleasedAsync();
        Assert.NotEqual(0, Transport.Aborts);
    }

    [Fact]
    public async Task A_reset_is_reported_with_its_exception()
    {
        await _stage.OpenAsync();
        Transport.Reset();
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006);
        Assert.Equal("reset by peer", Assert.IsType<IOException>(Connection.Ending!.Exception).Message);
        Assert.False(Connection.IsOpen);
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task A_write_that_fails_is_a_lost_connection_too()
    {
        await _stage.OpenAsync();
        Transport.FailWrites(new IOException("broken pipe"));
        Connection.Queue.TrySend("lost");
        Assert.False(Connection.IsOpen);
        Assert.False(Connection.BeginClose(HostCloses()));
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006);
        Assert.Equal("broken pipe", Connection.Ending!.Exception!.Message);
    }

    [Fact]
    public async Task An_input_that_fails_in_an_unknown_way_is_logged_and_the_client_leaves_like_any_other()
    {
        await _stage.OpenAsync();
        Transport.Break(new InvalidTimeZoneException("a bug"));
        await _stage.AssertReleasedAsync();
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(_stage.Logged(13)).Exception);
        AssertCalls("EndRequest", "HandshakeEnded", "Opened", "Connected", "Closed", "Disconnected", "Released");
    }

    // ---- Violations

    [Fact]
    public async Task A_broken_rule_is_answered_with_its_code_and_half_a_close()
    {
        await _stage.OpenAsync();
        Transport.Receive([0x81, 0x01, (byte)'x'], Wire.Text("behind"));
        await Connection.Called("Disconnected");
        AssertCloseSent(1002, "frame not masked");
        AssertEnding(DisconnectCause.ProtocolViolation, ConnectionSide.Server, 1002, "frame not masked");
        Assert.Equal((1, 0, 0), (Transport.Shutdowns, Transport.Disposals, Transport.Aborts));
        Assert.Equal(LogLevel.Debug, Assert.Single(_stage.Logged(9)).Level);
        Transport.Receive(new byte[10_000]);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Equal(0, Transport.Aborts);
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task A_rule_broken_after_our_Close_frame_sends_no_second_one()
    {
        await _stage.OpenAsync();
        Connection.BeginClose(HostCloses());
        Transport.Receive([0x81, 0x01, (byte)'x']);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Single(Transport.Frames);
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Server, 1000, "enough");
    }

    // ---- Handlers

    [Fact]
    public async Task A_handler_that_fails_closes_the_client_with_1011()
    {
        var failure = new InvalidTimeZoneException();
        Connection.OnMessage = async () => { await Task.Yield(); throw failure; };
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("1"), Wire.Text("2"));
        await Transport.WhenIdle;
        AssertCloseSent(1011, "handler failed");
        Transport.Receive(Wire.Close(1011));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.HandlerFailed, ConnectionSide.Server, 1011, "handler failed", clean: true);
        Assert.Same(failure, Connection.Ending!.Exception);
        Assert.Same(failure, Assert.Single(_stage.Logged(10)).Exception);
        Assert.False(Connection.WasCalled("Message 2"));
    }

    [Fact]
    public async Task With_the_other_policy_the_client_stays()
    {
        await using var stage = new ConnectionStage(settings => settings with { CloseOnHandlerException = false });
        stage.Connection.OnMessage = () => throw new InvalidTimeZoneException();
        await stage.OpenAsync();
        stage.Transport.Receive(Wire.Text("1"), Wire.Text("2"));
        await stage.Connection.Called("Message 2");
        await stage.Transport.WhenIdle;
        Assert.True(stage.Connection.IsOpen);
        Assert.Equal(2, stage.Logged(10).Count());
        Assert.Empty(stage.Transport.Frames);
    }

    [Fact]
    public async Task A_disconnected_handler_that_fails_harms_nobody()
    {
        Connection.OnDisconnected = () => throw new InvalidTimeZoneException();
        await _stage.OpenAsync();
        Transport.Receive(Wire.Close(1000));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Single(_stage.Logged(10));
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Client, 1000, clean: true);
    }

    [Fact]
    public async Task A_handler_that_is_still_sending_when_its_client_has_gone_is_nothing_out_of_order()
    {
        TaskCompletionSource go = Timely.Signal();
        Connection.OnMessage = async () =>
        {
            await go.Task;
            Connection.Queue.TrySend("fails, since the client is gone");
            throw new WebSocketException("The message was not sent");
        };
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("1"));
        await Connection.Called("Message 1");
        // Nobody reads while the handler runs: only the write finds out.
        Transport.FailWrites(new IOException("broken pipe"));
        go.SetResult();
        await _stage.AssertReleasedAsync();
        Assert.Empty(_stage.Logged(10));
        Assert.Equal(LogLevel.Debug, Assert.Single(_stage.Logged(11)).Level);
        AssertEnding(DisconnectCause.ConnectionLost, ConnectionSide.Client, 1006);
    }

    [Fact]
    public async Task A_handler_that_ends_because_Disconnected_was_cancelled_is_nothing_out_of_order()
    {
        Connection.OnMessage = async () => await Task.Delay(Timeout.Infinite, Connection.Disconnected);
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("1"));
        await Connection.Called("Message 1");
        Connection.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseFrame.Abnormal, ""));
        await _stage.AssertReleasedAsync();
        Assert.Empty(_stage.Logged(10));
        Assert.Equal(LogLevel.Debug, Assert.Single(_stage.Logged(11)).Level);
    }

    [Fact]
    public async Task A_handler_of_an_open_client_that_is_cancelled_is_a_failure()
    {
        Connection.OnMessage = () => throw new OperationCanceledException("by something else");
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("1"));
        await Transport.WhenIdle;
        Assert.Single(_stage.Logged(10));
        AssertCloseSent(1011, "handler failed");
    }

    [Fact]
    public async Task Another_sockets_exception_in_a_handler_of_an_open_client_is_a_failure()
    {
        Connection.OnMessage = () => throw new WebSocketException("not this client's");
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("1"));
        await Transport.WhenIdle;
        Assert.Single(_stage.Logged(10));
        AssertCloseSent(1011, "handler failed");
    }

    [Fact]
    public async Task Handlers_that_do_not_end_are_given_up_some_time_after_the_cut_and_keep_the_bytes_they_were_given()
    {
        _stage.IsAbandoned = true;
        TaskCompletionSource go = Timely.Signal(), ended = Timely.Signal();
        ReadOnlyMemory<byte> payload = default;
        string text = new('x', 10_000);
        Connection.OnMessage = async () =>
        {
            payload = Connection.Payload;
            await go.Task;
            ended.SetResult();
        };
        await _stage.OpenAsync();
        // In two pieces, so that it is gathered in an array of the pool.
        byte[] frame = Wire.Text(text);
        Transport.Receive(frame[..5000]);
        await Transport.WhenIdle;
        Transport.Receive(frame[5000..]);
        await Connection.Called($"Message {text}");

        Connection.BeginClose(HostCloses());
        _stage.Beats(6);
        await Transport.WhenAborted.InTime();
        Assert.False(Connection.WasCalled("Closed"));
        _stage.Beats(6);
        await _stage.AssertReleasedAsync();

        Assert.EndsWith("Closed\nDisconnected\nReleased", _stage.Calls, StringComparison.Ordinal);
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Server, 1000, "enough");
        Assert.Equal(1, _stage.Pool.Rented);
        Assert.Equal(text, Encoding.UTF8.GetString(payload.Span));
        go.SetResult();
        await ended.Task.InTime();
        Assert.False(Connection.Handlers.IsRunning);
    }

    [Fact]
    public async Task Given_up_handlers_keep_the_readers_own_bytes_too()
    {
        _stage.IsAbandoned = true;
        ReadOnlyMemory<byte> payload = default;
        TaskCompletionSource never = Timely.Signal();
        Connection.OnMessage = async () => { payload = Connection.Payload; await never.Task; };
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("uncopied"));
        await Connection.Called("Message uncopied");
        Connection.EndStop();
        await _stage.AssertReleasedAsync();
        Assert.Equal("uncopied", Encoding.UTF8.GetString(payload.Span));
        AssertEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, 1006);
        Assert.NotEqual(0, Transport.Aborts);
    }

    [Fact]
    public async Task Connected_handlers_that_do_not_end_are_given_up_too()
    {
        _stage.IsAbandoned = true;
        TaskCompletionSource never = Timely.Signal();
        Connection.OnConnected = async () => await never.Task;
        _stage.Start();
        Transport.Receive(Wire.Request);
        await Connection.Called("Connected");
        Connection.EndStop();
        await _stage.AssertReleasedAsync();
        AssertCalls("EndRequest", "HandshakeEnded", "Opened", "Connected", "Closed", "Disconnected", "Released");
    }

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
        Transport.Receive(Wire.Text("2"));
        await Connection.Called("Message 2");
        _stage.Beats(5);
        Assert.Equal(2, _stage.Logged(12).Count());
        second.SetResult();
        await Transport.WhenIdle;
    }

    [Fact]
    public async Task What_a_handler_sent_before_it_blocked_in_the_middle_of_a_burst_leaves_within_two_ticks_of_the_clock()
    {
        using var go = new ManualResetEventSlim();
        TaskCompletionSource blocking = Timely.Signal();
        Connection.OnMessage = () =>
        {
            Connection.Queue.TrySend("working on it");
            blocking.TrySetResult();
            go.Wait(TimeSpan.FromSeconds(30));
        };
        await _stage.OpenAsync();
        Transport.Receive(Wire.Text("1"), Wire.Text("2"));
        await blocking.Task.InTime();
        Assert.Empty(Transport.Frames);
        _stage.Settings.Clock.AddTick();
        _stage.Settings.Clock.AddTick();
        Assert.Equal("Text working on it", _stage.Sent);
        go.Set();
        await Transport.WhenIdle;
    }

    // ---- What the host asks about the end

    [Fact]
    public async Task Disconnected_is_cancelled_before_the_event()
    {
        CancellationToken token = Connection.Disconnected;
        bool cancelled = false;
        Connection.OnDisconnected = () => cancelled = token.IsCancellationRequested;
        await _stage.OpenAsync();
        Assert.Equal(token, Connection.Disconnected);
        Assert.False(token.IsCancellationRequested);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.True(cancelled);
    }

    [Fact]
    public async Task Asked_for_afterwards_Disconnected_is_cancelled_and_WhenClosed_complete()
    {
        await _stage.OpenAsync();
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.True(Connection.Disconnected.IsCancellationRequested);
        Assert.True(Connection.WhenClosed().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task What_the_host_does_on_that_token_cannot_keep_the_event_from_being_raised()
    {
        TaskCompletionSource blocking = Timely.Signal();
        using CancellationTokenRegistration throwing = Connection.Disconnected.Register(() => throw new InvalidTimeZoneException());
        using CancellationTokenRegistration slow = Connection.Disconnected.Register(() => blocking.Task.Wait(TimeSpan.FromSeconds(30)));
        await _stage.OpenAsync();
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.True(Connection.WasCalled("Disconnected"));
        blocking.SetResult();
        await Timely.UntilAsync(() => _stage.Logged(10).Any());
    }

    // ---- Keep-alive

    [Fact]
    public async Task The_latency_of_a_client_that_is_not_silent_is_measured_on_demand()
    {
        await _stage.OpenAsync();
        Connection.MeasureLatency();
        Connection.MeasureLatency(); // the first is not answered yet
        SentFrame ping = Assert.Single(Transport.Frames);
        Assert.Equal(Opcode.Ping, ping.Opcode);
        _stage.Time.Advance(TimeSpan.FromMilliseconds(20));
        Transport.Receive(Wire.ClientFrame(Opcode.Pong, ping.Payload));
        await Transport.WhenIdle;
        Assert.Equal(TimeSpan.FromMilliseconds(20), Connection.Latency);

        Connection.MeasureLatency();
        Assert.Equal(2, Transport.Frames.Count);
        _stage.Time.Advance(TimeSpan.FromSeconds(10));
        Connection.MeasureLatency();
        Assert.Equal(2, Transport.Frames.Count);
        _stage.Time.Advance(TimeSpan.FromSeconds(5)); // the ping timeout
        Connection.MeasureLatency();
        Assert.Equal(3, Transport.Frames.Count);
        Assert.Equal(TimeSpan.FromMilliseconds(20), Connection.Latency);

        Connection.BeginClose(new ConnectionEnding(DisconnectCause.Closed, ConnectionSide.Server, WebSocketCloseStatus.NormalClosure, ""));
        _stage.Time.Advance(TimeSpan.FromSeconds(1));
        Connection.MeasureLatency();
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
        Transport.Receive(Wire.ClientFrame(Opcode.Pong, "unsolicited"u8));
        await Transport.WhenIdle;
        Assert.Null(Connection.Latency);
        Transport.Receive(Wire.ClientFrame(Opcode.Pong, ping.Payload));
        await Transport.WhenIdle;
        Assert.Equal(TimeSpan.FromMilliseconds(30), Connection.Latency);

        // A second copy of the same pong is no new measurement.
        _stage.Time.Advance(TimeSpan.FromMilliseconds(500));
        Transport.Receive(Wire.ClientFrame(Opcode.Pong, ping.Payload));
        await Transport.WhenIdle;
        Assert.Equal(TimeSpan.FromMilliseconds(30), Connection.Latency);
        _stage.Beats(19);
        Assert.Single(Transport.Frames);
        _stage.Beats(1);
        Assert.Equal(2, Transport.Frames.Count);
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
            Transport.Receive(i == 0 ? Wire.ClientFrame(Opcode.Binary, new byte[100])[..7] : [0x20]);
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
            Transport.Receive(Wire.ClientFrame(Opcode.Pong, Transport.Frames[^1].Payload));
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
        Transport.Receive(Wire.Request);
        if (handled == "Message 1")
            Transport.Receive(Wire.Text("1"));
        await Connection.Called(handled);
        bool wentOn = false;
        long contentions = Monitor.LockContentionCount;
        Transport.OnTryReceive = () =>
        {
            handler.SetResult();
            // Either the loop goes on, or it has to wait for the lock.
            SpinWait.SpinUntil(() => (wentOn = handled.StartsWith('R') ? Connection.WasCalled("EndRequest") : Transport.IsWaitedFor) || Monitor.LockContentionCount != contentions, TimeSpan.FromSeconds(30));
        };
        _stage.Beats(2);
        Assert.Null(Transport.OnTryReceive);
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
            Transport.Receive(Wire.ClientFrame(Opcode.Pong, []));
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
    public async Task With_a_host_context_the_events_come_there_in_the_same_order()
    {
        var context = new CountingContext();
        await using var stage = new ConnectionStage(settings => settings with { EventContext = context });
        bool here = true;
        stage.Connection.OnMessage = async () =>
        {
            here &= CountingContext.IsHere;
            await Task.Yield();
            here &= CountingContext.IsHere;
        };
        await stage.OpenAsync();
        stage.Transport.Receive(Wire.Text("1"), Wire.Text("2"), Wire.Close(1000));
        stage.Transport.EndInput();
        await stage.AssertReleasedAsync();
        Assert.True(await stage.Connection.WhenEnded);
        Assert.Equal("EndRequest\nHandshakeEnded\nOpened\nConnected\nMessage 1\nMessage 2\nClosed\nDisconnected", stage.Calls.Replace("\nReleased", "", StringComparison.Ordinal));
        Assert.True(here);
        Assert.Equal(6, context.Posts);
    }

    [Fact]
    public async Task An_event_that_the_hosts_busy_thread_has_not_got_to_keeps_nobody_and_is_raised_when_it_does()
    {
        var context = new CountingContext();
        await using var stage = new ConnectionStage(settings => settings with { EventContext = context });
        stage.IsAbandoned = true;
        await stage.OpenAsync();
        TaskCompletionSource posted = context.Hold();
        stage.Transport.Receive(Wire.Text("1"));
        await posted.Task.InTime();
        Task closed = stage.Connection.WhenClosed();
        // The thread is blocked, perhaps in the very call that stops the server.
        stage.Connection.EndStop();
        await closed.InTime();
        await stage.AssertReleasedAsync();
        Assert.Equal("EndRequest\nHandshakeEnded\nOpened\nConnected\nClosed\nReleased", stage.Calls);
        Assert.False(stage.Connection.WhenEnded.IsCompleted);

        context.Release();
        Assert.True(await stage.Connection.WhenEnded);
        Assert.Equal("EndRequest\nHandshakeEnded\nOpened\nConnected\nClosed\nReleased\nMessage 1\nDisconnected", stage.Calls);
    }

    [Fact]
    public async Task Aborted_while_the_hosts_thread_is_busy_a_client_is_told_as_connected_and_then_as_disconnected()
    {
        var context = new CountingContext();
        await using var stage = new ConnectionStage(settings => settings with { EventContext = context });
        TaskCompletionSource posted = context.Hold();
        stage.Start();
        stage.Transport.Receive(Wire.Request);
        await posted.Task.InTime();
        stage.Connection.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseFrame.Abnormal, ""));
        await stage.AssertReleasedAsync();
        Assert.Equal("EndRequest\nHandshakeEnded\nOpened\nClosed\nReleased", stage.Calls);
        context.Release();
        Assert.True(await stage.Connection.WhenEnded);
        Assert.EndsWith("Released\nConnected\nDisconnected", stage.Calls, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_answers_our_Close_frame_while_the_hosts_thread_is_busy_has_left_cleanly()
    {
        var context = new CountingContext();
        await using var stage = new ConnectionStage(settings => settings with { EventContext = context });
        stage.IsAbandoned = true;
        await stage.OpenAsync();
        TaskCompletionSource posted = context.Hold();
        stage.Transport.Receive(Wire.Text("1"));
        await posted.Task.InTime();
        stage.Beats(1);
        stage.Connection.BeginStop();
        stage.Transport.Receive(Wire.Close(1001));
        stage.Transport.EndInput();
        stage.Beats(1);
        await stage.Connection.WhenClosed().InTime();
        await stage.AssertReleasedAsync();
        Assert.True(stage.Connection.WasClean);
        Assert.Equal(0, stage.Transport.Aborts);
        context.Release();
        Assert.True(await stage.Connection.WhenEnded);
        Assert.EndsWith("Closed\nReleased\nMessage 1\nDisconnected", stage.Calls, StringComparison.Ordinal);
    }

    /// <summary>A context of pool threads that knows its own, and can be held up.</summary>
    private sealed class CountingContext : SynchronizationContext
    {
        [ThreadStatic]
        private static bool _here;

        private readonly Lock _gate = new();
        private readonly List<Action> _held = [];
        private TaskCompletionSource? _posted;

        public static bool IsHere => _here;

        public int Posts { get; private set; }

        public TaskCompletionSource Hold() => _posted = Timely.Signal();

        public void Release()
        {
            Action[] held;
            lock (_gate)
            {
                _posted = null;
                held = [.. _held];
            }

            foreach (Action work in held)
                ThreadPool.UnsafeQueueUserWorkItem(static work => work(), work, preferLocal: false);
        }

        public override void Post(SendOrPostCallback d, object? state)
        {
            lock (_gate)
            {
                Posts++;
                if (_posted is not null)
                {
                    _held.Add(() => d(state));
                    _posted.TrySetResult();
                    return;
                }
            }

            ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    _here = true;
                    d(state);
                    _here = false;
                },
                null);
        }
    }

    // ---- Our own pauses

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

    [Fact]
    public async Task A_client_whose_request_lies_unread_is_not_blamed_for_it()
    {
        _stage.Start();
        await Transport.WhenIdle;
        Transport.PretendsUnread = true;
        _stage.Beats(30);
        Assert.Empty(Transport.Writes);
        Transport.PretendsUnread = false;
        Transport.Receive(Wire.Request);
        Assert.StartsWith("HTTP/1.1 101 ", await AnswerAsync(), StringComparison.Ordinal);
        await Connection.Called("Connected");
    }

    [Fact]
    public async Task A_beat_that_fails_for_one_connection_ends_that_one_and_is_logged()
    {
        await _stage.OpenAsync();
        Transport.OnReleaseIdle = () => throw new InvalidTimeZoneException("a bug");
        _stage.Beats(2);
        await _stage.AssertReleasedAsync();
        Assert.IsType<InvalidTimeZoneException>(_stage.Logged(13).First().Exception);
        AssertEnding(DisconnectCause.ConnectionLost, ConnectionSide.Server, 1006);
    }

    // ---- Answers

    [Fact]
    public async Task The_body_of_a_long_answer_is_written_from_where_it_lies_in_pieces_and_not_copied()
    {
        byte[] body = new byte[1_000_000];
        new Random(1).NextBytes(body);
        Connection.Answer = () => HandshakeResponse.Answer(HttpStatusCode.OK, body, "application/octet-stream");
        Transport.HoldWrites();
        _stage.Start();
        Transport.Receive("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n");
        await Transport.NextWriteAsync();
        Transport.LetWriteEnd();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(256 * 1024, (await Transport.NextWriteAsync()).Length);
            Assert.Equal(0, _stage.Pool.Rented);
            Transport.LetWriteEnd();
        }

        await Transport.NextWriteAsync();
        Transport.LetAllWritesEnd();
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Equal(body, Transport.Written[^body.Length..]);
    }
}
