using System.Net;
using System.Net.WebSockets;
using System.Text;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Opening;

public sealed class OpeningHandshakeTests : LifetimeTest
{
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
        Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
        Transport.Receive(RequestHeads.Handshake);
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
        Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
        AssertCalls("HandshakeEnded", "Released");
    }

    [Fact]
    public async Task Who_goes_on_sending_after_being_turned_away_is_cut()
    {
        _stage.Start();
        await Transport.WhenIdle;
        _stage.Beats(11);
        await AnswerAsync();
        Transport.Receive(RequestHeads.Handshake);
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
        Transport.Receive(RequestHeads.Handshake);
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
        Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
        Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
        Assert.StartsWith("HTTP/1.1 503 ", await AnswerAsync(), StringComparison.Ordinal);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("TurnAway Stopping", "HandshakeEnded", "Released");
    }

    [Fact]
    public async Task A_server_that_stops_before_the_connection_has_begun_still_answers_it()
    {
        Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
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
        Connection.OnOpened = () => Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
        _stage.Start();
        Transport.Receive(RequestHeads.Handshake);
        await Connection.Called("Request /chat");
        Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
        go.SetResult();
        await Connection.Called("Connected");
        Transport.Receive(Frames.Close(1001));
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
        Transport.Receive(RequestHeads.Handshake);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("TurnAway TooManyClients", "HandshakeEnded", "Released");
    }

    [Fact]
    public async Task A_full_server_reads_what_may_be_a_plain_request_and_lets_the_host_answer_it()
    {
        Connection.Admission = Admission.PlainRequestOnly;
        Connection.Answer = () => HandshakeResponse.Answer(HttpStatusCode.OK, "lives"u8.ToArray(), "text/plain");
        _stage.Start();
        Transport.Receive("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Assert.EndsWith("\r\n\r\nlives", await AnswerAsync(), StringComparison.Ordinal);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("EndRequest", "HandshakeEnded", "Released");
    }

    [Fact]
    public async Task A_full_server_turns_a_handshake_away_also_if_the_host_answers_plain_requests()
    {
        Connection.Admission = Admission.PlainRequestOnly;
        _stage.Start();
        Transport.Receive(RequestHeads.Handshake);
        Assert.StartsWith("HTTP/1.1 503 ", await AnswerAsync(), StringComparison.Ordinal);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("TurnAway TooManyClients", "HandshakeEnded", "Released");
    }

    [Fact]
    public async Task A_full_server_waits_for_a_plain_request_no_longer_than_for_others()
    {
        Connection.Admission = Admission.PlainRequestOnly;
        _stage.Start();
        await Transport.WhenIdle;
        _stage.Beats(11);
        Assert.StartsWith("HTTP/1.1 408 ", await AnswerAsync(), StringComparison.Ordinal);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
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
        Transport.Receive(RequestHeads.Handshake);
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
        Transport.Receive(RequestHeads.Handshake);
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
        Transport.Receive(RequestHeads.Handshake);
        await Connection.Called("Request /chat");
        Connection.EndStop();
        await _stage.AssertReleasedAsync();
        AssertCalls("Request /chat", "HandshakeEnded", "Released");
        Assert.Empty(Transport.Writes);
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
        Transport.Receive(RequestHeads.Handshake);
        Assert.StartsWith("HTTP/1.1 101 ", await AnswerAsync(), StringComparison.Ordinal);
        await Connection.Called("Connected");
    }

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
