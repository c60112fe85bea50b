using System.Net.WebSockets;
using System.Text;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections;

public sealed class ConnectionLifetimeTests : LifetimeTest
{
    [Fact]
    public async Task Events_come_in_the_order_of_the_contract_and_the_client_is_known_from_before_the_first_to_before_the_last()
    {
        Connection.OnRequest = () => { };
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        Transport.Receive(Frames.Text("3"), Frames.Close(1000));
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls(
            "Request /chat", "EndRequest", "HandshakeEnded", "Opened", "Connected", "Message 1", "Message 2", "Message 3", "Closed",
            "Disconnected", "Released");
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task Messages_that_came_with_the_request_wait_for_the_end_of_the_connected_handlers()
    {
        TaskCompletionSource go = Timely.Signal();
        Connection.OnConnected = async () => await go.Task;
        _stage.Start();
        Transport.Receive(Encoding.ASCII.GetBytes(RequestHeads.Handshake), Frames.Text("early"));
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
        Transport.Receive(Frames.Text("2"));
        _stage.Beats(30);
        Assert.False(Connection.WasCalled("Message 2"));
        Assert.Equal("1", Connection.PayloadText);
        Connection.OnMessage = null;
        go.SetResult();
        await Connection.Called("Message 2");
    }

    [Fact]
    public async Task An_error_inside_the_server_is_logged_and_costs_that_connection_only()
    {
        Connection.Answer = () => throw new InvalidTimeZoneException("a bug");
        _stage.Start();
        Transport.Receive(RequestHeads.Handshake);
        await _stage.AssertReleasedAsync();
        Assert.IsType<InvalidTimeZoneException>(Assert.Single(_stage.Logged(13)).Exception);
        AssertCalls("EndRequest", "HandshakeEnded", "Released");
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
        Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await Connection.Called("Message 1");
        await Polling.UntilAsync(() => held is { IsRunning: false });
        Connection.BeginClose(HostCloses());
        _stage.Beats(12);
        await _stage.AssertReleasedAsync();
        Assert.False(Connection.WasCalled("Message 2"));
        Assert.True(Transport.HasForgotten);
        held!.ReleasePayload();
    }

    [Fact]
    public async Task A_client_that_has_ended_its_side_is_held_to_the_rate_as_before()
    {
        await using var stage = new ConnectionStage(settings => settings with { MaxMessagesPerSecond = 1 });
        TaskCompletionSource go = Timely.Signal();
        stage.Connection.OnMessage = async () => await go.Task;
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("1"));
        await stage.Connection.Called("Message 1");
        stage.Transport.Receive(Frames.Text("2"), Frames.Text("3"), Frames.Text("4"));
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
            await Polling.UntilAsync(() => stage.Connection.IsHoldingBack);
            stage.Beats(1);
        }

        await stage.AssertReleasedAsync();
    }

    [Fact]
    public async Task A_handler_that_fails_closes_the_client_with_1011()
    {
        var failure = new InvalidTimeZoneException();
        Connection.OnMessage = async () => { await Task.Yield(); throw failure; };
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await Transport.WhenIdle;
        AssertCloseSent(1011, "handler failed");
        Transport.Receive(Frames.Close(1011));
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
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
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
        Transport.Receive(Frames.Close(1000));
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
        Transport.Receive(Frames.Text("1"));
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
        Transport.Receive(Frames.Text("1"));
        await Connection.Called("Message 1");
        Connection.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseCode.AbnormalClosure, ""));
        await _stage.AssertReleasedAsync();
        Assert.Empty(_stage.Logged(10));
        Assert.Equal(LogLevel.Debug, Assert.Single(_stage.Logged(11)).Level);
    }

    [Fact]
    public async Task A_handler_of_an_open_client_that_is_cancelled_is_a_failure()
    {
        Connection.OnMessage = () => throw new OperationCanceledException("by something else");
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("1"));
        await Transport.WhenIdle;
        Assert.Single(_stage.Logged(10));
        AssertCloseSent(1011, "handler failed");
    }

    [Fact]
    public async Task Another_sockets_exception_in_a_handler_of_an_open_client_is_a_failure()
    {
        Connection.OnMessage = () => throw new WebSocketException("not this client's");
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("1"));
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
        byte[] frame = Frames.Text(text);
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
        Transport.Receive(Frames.Text("uncopied"));
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
        Transport.Receive(RequestHeads.Handshake);
        await Connection.Called("Connected");
        Connection.EndStop();
        await _stage.AssertReleasedAsync();
        AssertCalls("EndRequest", "HandshakeEnded", "Opened", "Connected", "Closed", "Disconnected", "Released");
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
        Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await blocking.Task.InTime();
        Assert.Empty(Transport.Frames);
        _stage.Settings.Clock.AddTick();
        _stage.Settings.Clock.AddTick();
        Assert.Equal("Text working on it", _stage.Sent);
        go.Set();
        await Transport.WhenIdle;
    }

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
        await Polling.UntilAsync(() => _stage.Logged(10).Any());
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
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"), Frames.Close(1000));
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
        stage.Transport.Receive(Frames.Text("1"));
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

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_message_in_parts_that_the_hosts_busy_thread_has_not_got_to_keeps_nobody_and_its_reader_learns_that_it_is_over(bool isComplete, bool peerCloses)
    {
        var context = new CountingContext();
        await using var stage = new ConnectionStage(settings => settings with { EventContext = context, StreamMessagesFrom = 0, MaxStreamedMessageSize = 1000, StreamedMessageTimeout = TimeSpan.FromSeconds(100) });
        TaskCompletionSource<Exception?> read = new(TaskCreationOptions.RunContinuationsAsynchronously);
        stage.Connection.OnMessageStream = async parts => read.SetResult(await Record.ExceptionAsync(async () => await parts.ReadAsync(new byte[10], TestContext.Current.CancellationToken)));
        await stage.OpenAsync();
        TaskCompletionSource posted = context.Hold();
        stage.Transport.Receive(Frames.Text("1"u8, fin: isComplete));
        await posted.Task.InTime();
        stage.Beats(1);
        if (peerCloses)
        {
            stage.Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
            stage.Transport.Receive(Frames.Close(1001));
            stage.Transport.EndInput();
            stage.Beats(2);
        }
        else
        {
            stage.Connection.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseCode.AbnormalClosure, ""));
        }

        await stage.Connection.WhenClosed().InTime();
        await stage.AssertReleasedAsync();
        Assert.Equal(peerCloses, stage.Connection.WasClean);
        Assert.False(stage.Connection.WasCalled("MessageInParts"));
        context.Release();
        Assert.IsType<WebSocketServerKit.Connections.Receiving.InterruptedMessageException>(await read.Task.InTime());
        Assert.True(await stage.Connection.WhenEnded);
        Assert.EndsWith("Closed\nReleased\nMessageInParts\nDisconnected", stage.Calls, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Aborted_while_the_hosts_thread_is_busy_a_client_is_told_as_connected_and_then_as_disconnected()
    {
        var context = new CountingContext();
        await using var stage = new ConnectionStage(settings => settings with { EventContext = context });
        TaskCompletionSource posted = context.Hold();
        stage.Start();
        stage.Transport.Receive(RequestHeads.Handshake);
        await posted.Task.InTime();
        stage.Connection.Abort(new ConnectionEnding(DisconnectCause.Aborted, ConnectionSide.Server, CloseCode.AbnormalClosure, ""));
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
        stage.Transport.Receive(Frames.Text("1"));
        await posted.Task.InTime();
        stage.Beats(1);
        stage.Connection.BeginStop(CloseCode.GoingAway, "server is stopping");
        stage.Transport.Receive(Frames.Close(1001));
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

    [Fact]
    public async Task A_client_is_held_to_the_limits_that_it_got_with_the_handshake()
    {
        Connection.OwnSettings = settings => settings with { MaxMessageSize = 3, MaxFragmentsPerMessage = 2, SendQueueLimit = 2000 };
        await _stage.OpenAsync();
        Assert.Equal(3, Connection.Settings.MaxMessageSize);
        Transport.Receive(Frames.Text("123"));
        Transport.Receive(Frames.Frame(Opcode.Text, "1"u8, fin: false), Frames.Frame(Opcode.Continuation, "2"u8));
        await Connection.Called("Message 12");
        Transport.HoldWrites();
        Assert.Equal(SendOutcome.Sent, Connection.Queue.TrySend(new string('a', 10)));
        Assert.Equal(SendOutcome.Queued, Connection.Queue.TrySend(new string('b', 1500)));
        Assert.Equal(SendOutcome.Dropped, Connection.Queue.TrySend(new string('c', 500)));
        Transport.LetAllWritesEnd();
        await Transport.WhenIdle;
        Transport.Receive(Frames.Text("1234"));
        await Connection.Called("Disconnected");
        AssertEnding(DisconnectCause.LimitExceeded, ConnectionSide.Server, 1009, "message too big");
        Transport.EndInput();
    }

    [Fact]
    public async Task A_client_is_held_to_the_number_of_fragments_that_it_got_with_the_handshake()
    {
        Connection.OwnSettings = settings => settings with { MaxFragmentsPerMessage = 1 };
        await _stage.OpenAsync();
        Transport.Receive(Frames.Frame(Opcode.Text, "1"u8, fin: false), Frames.Frame(Opcode.Continuation, "2"u8));
        await Connection.Called("Disconnected");
        AssertEnding(DisconnectCause.LimitExceeded, ConnectionSide.Server, 1008, "too many fragments in one message");
        Transport.EndInput();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_is_held_to_the_rate_that_it_got_with_the_handshake(bool inMessages)
    {
        Connection.OwnSettings = settings => inMessages ? settings with { MaxMessagesPerSecond = 1 } : settings with { MaxBytesPerSecond = Frames.Text("1").Length };
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("1"), Frames.Text("2"), Frames.Text("3"));
        await Polling.UntilAsync(() => Connection.IsHoldingBack);
        Assert.False(Connection.WasCalled("Message 2"));
        _stage.Beats(5);
        await Connection.Called("Message 2");
        _stage.Beats(5);
        await Connection.Called("Message 3");
    }

    [Fact]
    public async Task A_rate_of_the_server_that_the_client_is_spared_does_not_hold_it_back()
    {
        await using var stage = new ConnectionStage(settings => settings with { MaxMessagesPerSecond = 1 });
        stage.Connection.OwnSettings = settings => settings with { MaxMessagesPerSecond = null };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"), Frames.Text("3"));
        await stage.Connection.Called("Message 3");
        Assert.False(stage.Connection.IsHoldingBack);
    }

    [Fact]
    public async Task A_client_is_kept_after_an_exception_if_it_got_that_with_the_handshake()
    {
        Connection.OwnSettings = settings => settings with { CloseOnHandlerException = false };
        Connection.OnMessage = () => throw new InvalidTimeZoneException();
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await Connection.Called("Message 2");
        await Polling.UntilAsync(() => _stage.Logged(10).Count() == 2); // logged after the handler has thrown
        Assert.True(Connection.IsOpen);
    }

    [Fact]
    public async Task What_was_read_ahead_while_the_host_decided_is_held_to_the_limits_that_came_out()
    {
        TaskCompletionSource go = Timely.Signal();
        Connection.OnRequest = async () => await go.Task;
        Connection.OwnSettings = settings => settings with { MaxMessageSize = 3 };
        _stage.Start();
        Transport.Receive(Encoding.ASCII.GetBytes(RequestHeads.Handshake), Frames.Text("123"), Frames.Text("1234"));
        await Connection.Called("Request /chat");
        _stage.Beats(3);
        go.SetResult();
        await Connection.Called("Message 123");
        await Connection.Called("Disconnected");
        AssertEnding(DisconnectCause.LimitExceeded, ConnectionSide.Server, 1009, "message too big");
        Transport.EndInput();
    }
}
