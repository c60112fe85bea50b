using System.Text;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Closing;

public sealed class ClosingHandshakeTests : LifetimeTest
{
    [Fact]
    public async Task The_clients_Close_frame_is_echoed_and_our_side_ends_first()
    {
        await _stage.OpenAsync();
        Transport.Receive(Frames.Close(3001, "bye"));
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
        Transport.Receive(Frames.Frame(Opcode.Close, []));
        await Connection.Called("Disconnected");
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Client, 1005, clean: true);
        AssertCloseSent(1005);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
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

        Transport.Receive(Frames.Close(1000));
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
        Transport.Receive(Frames.Text("crossing"), Frames.Frame(Opcode.Ping, "crossing"u8), Frames.Close(1000));
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
        Transport.Receive(Frames.Text("not raised"), Frames.Close(1000));
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
        Transport.Receive(Frames.Close(1000));
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
        Transport.Receive(Frames.Close(1000));
        _stage.Beats(12);
        await _stage.AssertReleasedAsync();
        Assert.False(Connection.WasClean);
    }

    [Fact]
    public async Task What_a_client_that_is_cut_had_not_done_is_noted_and_the_first_note_counts()
    {
        await _stage.OpenAsync();
        Assert.Equal(CutReason.EndedOtherwise, Connection.Closing.WhyCut);
        Connection.BeginClose(HostCloses());
        _stage.Beats(6);
        Assert.Equal(CutReason.NotAnswered, Connection.Closing.WhyCut);
        Connection.EndStop(isCancelled: true);
        Assert.Equal(CutReason.NotAnswered, Connection.Closing.WhyCut);
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task A_stop_that_waits_no_longer_is_noted_as_that()
    {
        await _stage.OpenAsync();
        Connection.BeginStop(CloseCode.GoingAway, "");
        Connection.EndStop(isCancelled: true);
        Assert.Equal(CutReason.StopCancelled, Connection.Closing.WhyCut);
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task A_handler_that_runs_on_is_noted_unless_the_client_has_not_taken_what_is_sent_to_it()
    {
        TaskCompletionSource go = await OpenWithPendingHandlerAsync();
        Connection.BeginStop(CloseCode.GoingAway, "");
        Connection.EndStop();
        Assert.Equal(CutReason.HandlerRunning, Connection.Closing.WhyCut);
        go.SetResult();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task Closed_for_its_memory_before_the_answer_has_left_a_client_gets_both()
    {
        Connection.OnOpened = Connection.CloseForMemory;
        _stage.Start();
        Transport.Receive(RequestHeads.Handshake);
        await Connection.Called("Connected");
        Assert.StartsWith("HTTP/1.1 101 ", Encoding.ASCII.GetString(Transport.Written), StringComparison.Ordinal);
        AssertCloseSent(1013, "server is short of memory");
        Connection.EndStop();
        await _stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task The_first_cause_stays()
    {
        await _stage.OpenAsync();
        Assert.True(Connection.BeginClose(HostCloses()));
        Assert.False(Connection.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseCode.AbnormalClosure, "")));
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Server, 1000, "enough");
    }

    [Fact]
    public async Task Aborted_the_connection_is_cut_at_once()
    {
        await _stage.OpenAsync();
        var ending = new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseCode.AbnormalClosure, "");
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
        Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
        AssertCloseSent(1001, "server is stopping");
        Transport.Receive(Frames.Close(1001));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.ServerStopping, ConnectionSide.Server, 1001, "server is stopping", clean: true);
    }

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
        await Polling.UntilAsync(() => Connection.Queue.TrySend("new") == SendOutcome.Closed);
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
        await Polling.UntilAsync(() => Connection.Queue.TrySend("") == SendOutcome.Closed);
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

    [Fact]
    public async Task A_broken_rule_is_answered_with_its_code_and_half_a_close()
    {
        await _stage.OpenAsync();
        Transport.Receive([0x81, 0x01, (byte)'x'], Frames.Text("behind"));
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
}
