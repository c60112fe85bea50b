#pragma warning disable xUnit1051 // calls without a token are under test too
using System.Text;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class PendingRequestTests : RequestTest
{
    [Fact]
    public async Task Without_a_reply_in_time_there_is_a_TimeoutException_and_the_late_reply_is_raised()
    {
        await _stage.OpenAsync();
        Task<string> asking = AskAsync(1);
        _stage.Time.Advance(Seconds - TimeSpan.FromTicks(1));
        Assert.False(asking.IsCompleted);
        _stage.Time.Advance(TimeSpan.FromTicks(1));
        TimeoutException exception = await Assert.ThrowsAsync<TimeoutException>(() => asking.InTime());
        Assert.Equal("client 1 (203.0.113.7:50000 /chat) did not reply within 00:00:05.", exception.Message);
        Transport.Receive(Frames.Text("reply 1"));
        await Connection.Called("Message reply 1");
        Assert.True(Client.IsOpen);
    }

    [Fact]
    public async Task The_callers_token_ends_the_wait_and_nobody_else()
    {
        await _stage.OpenAsync();
        using CancellationTokenSource cancellation = new();
        Task<string> cancelled = AskAsync(1, cancellation.Token), other = AskAsync(1);
        await cancellation.CancelAsync();
        Assert.Equal(cancellation.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.InTime())).CancellationToken);
        Transport.Receive(Frames.Text("reply 1"));
        Assert.Equal("reply 1", await other.InTime());
    }

    [Fact]
    public async Task The_time_for_a_reply_may_be_without_limit()
    {
        await _stage.OpenAsync();
        Task<string> asking = Client.RequestAsync("ask", Reply(1), Timeout.InfiniteTimeSpan);
        Transport.Receive(Frames.Text("reply 1"));
        Assert.Equal("reply 1", await asking.InTime());
    }

    [Fact]
    public async Task A_request_that_waits_for_room_is_taken_back_when_its_time_is_over()
    {
        await using var stage = new ConnectionStage(settings => settings with { SendQueueLimit = 10 });
        WebSocketClient client = ClientOf(stage);
        await stage.OpenAsync();
        stage.Transport.HoldWrites();
        client.TrySend("busy");
        Task<string> asking = client.RequestAsync("a request", Reply(1), Seconds, Token);
        stage.Time.Advance(Seconds);
        Assert.Contains("was not sent", (await Assert.ThrowsAsync<TimeoutException>(() => asking.InTime())).Message, StringComparison.Ordinal);
        stage.Transport.LetAllWritesEnd();
        await stage.Connection.Queue.WhenDrained().InTime();
        Assert.Equal("Text busy", stage.Sent);
        stage.Transport.Receive(Frames.Text("reply 1"));
        await stage.Connection.Called("Message reply 1");
    }

    [Fact]
    public async Task A_reply_and_the_end_of_the_time_at_one_moment_lose_nothing()
    {
        await _stage.OpenAsync();
        Task<string> asking = Client.RequestAsync("ask", message =>
        {
            _stage.Time.Advance(Seconds); // while it is being matched
            return message.Text;
        }, Seconds);
        Transport.Receive(Frames.Text("reply"));
        string? outcome = null;
        try
        {
            outcome = await asking.InTime();
        }
        catch (TimeoutException)
        {
            await Connection.Called("Message reply");
        }

        await Transport.WhenIdle;
        Assert.NotEqual(outcome == "reply", Connection.WasCalled("Message reply"));
    }

    [Fact]
    public async Task A_handler_that_blocks_its_thread_is_named_as_the_cause()
    {
        using ManualResetEventSlim asked = new(), ended = new();
        Task<string>? asking = null;
        Connection.OnMessage = () =>
        {
            asking = AskAsync(1);
            asked.Set();
            ended.Wait(TestContext.Current.CancellationToken); // for the reply, as a host may do
        };
        await _stage.OpenAsync();
        Task receiving = Task.Run(() => Transport.Receive(Frames.Text("begin")), Token); // the handler may run in this call
        await Task.Run(() => asked.Wait(Token), Token);
        _stage.Time.Advance(Seconds);
        Assert.Contains("must not block its thread", (await Assert.ThrowsAsync<TimeoutException>(() => asking!.InTime())).Message, StringComparison.Ordinal);
        ended.Set();
        await receiving.InTime();
        await Transport.WhenIdle;
    }

    [Fact]
    public async Task A_host_context_that_is_blocked_is_named_as_the_cause_and_the_late_reply_is_raised_there()
    {
        PumpedContext window = new();
        await using var stage = new ConnectionStage(settings => settings with { EventContext = window });
        WebSocketClient client = ClientOf(stage);
        stage.Start();
        stage.Transport.Receive(RequestHeads.Handshake);
        await window.RunNextAsync(); // ClientConnected
        await stage.Transport.WhenIdle;
        Task<string> asking = client.RequestAsync("ask", Reply(1), Seconds, Token); // and the window waits for it, but runs nothing
        stage.Transport.Receive(Frames.Text("reply 1"));
        await Polling.UntilAsync(() => window.Waiting == 1);
        stage.Time.Advance(Seconds);
        Assert.Contains("must not block", (await Assert.ThrowsAsync<TimeoutException>(() => asking.InTime())).Message, StringComparison.Ordinal);
        await window.RunNextAsync();
        Assert.True(stage.Connection.WasCalled("Message reply 1"));
    }

    [Theory]
    [InlineData(SlowClientPolicy.DropNewest)]
    [InlineData(SlowClientPolicy.DropOldest)]
    public async Task A_client_that_reads_slowly_and_whose_messages_may_be_dropped_is_named_as_the_cause(SlowClientPolicy policy)
    {
        await using var stage = new ConnectionStage(settings => settings with { SendQueueLimit = 10, SlowClients = policy });
        WebSocketClient client = ClientOf(stage);
        await stage.OpenAsync();
        stage.Transport.HoldWrites();
        client.TrySend("busy");
        Task<string> asking = client.RequestAsync("a request", Reply(1), Seconds, Token);
        client.TrySend("news");
        stage.Time.Advance(Seconds);
        Assert.Contains("may be one of them", (await Assert.ThrowsAsync<TimeoutException>(() => asking.InTime())).Message, StringComparison.Ordinal);
        stage.Transport.LetAllWritesEnd();
        await stage.Connection.Queue.WhenDrained().InTime();
        Assert.DoesNotContain("a request", stage.Sent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_has_left_its_context_is_named_as_the_cause_and_helps_itself_by_ContinueReceiving()
    {
        TaskCompletionSource<Exception?> late = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource<string> replied = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Connection.OnMessage = async () =>
        {
            MessageReceivedEventArgs message = new(Client, Connection.MessageType, Connection.Handlers.Run);
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            late.SetResult(await Record.ExceptionAsync(() => AskAsync(1)));
            message.ContinueReceiving();
            replied.SetResult(await AskAsync(2));
        };
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("begin"));
        await Transport.NextWriteAsync();
        _stage.Time.Advance(Seconds);
        Assert.Contains("ContinueReceiving", (await late.Task.InTime())!.Message, StringComparison.Ordinal);
        await Transport.NextWriteAsync();
        Transport.Receive(Frames.Text("reply 2"));
        Assert.Equal("reply 2", await replied.Task.InTime());
    }

    [Fact]
    public async Task A_handler_that_reads_a_message_in_parts_has_to_read_it_to_its_end_first_and_loses_nothing()
    {
        await using var stage = new ConnectionStage(settings => settings with { StreamMessagesFrom = 20, MaxStreamedMessageSize = 1000, StreamedMessageTimeout = Seconds });
        WebSocketClient client = ClientOf(stage);
        TaskCompletionSource tooEarly = Timely.Signal();
        TaskCompletionSource<(string, string)> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        stage.Connection.OnMessageStream = async parts =>
        {
            byte[] read = new byte[30];
            int length = await parts.ReadAsync(read.AsMemory(0, 1), Token);
            Exception? refused = Record.Exception(() => { _ = client.RequestAsync("early", Reply(1), Seconds, Token); });
            Assert.Contains("to its end", Assert.IsType<InvalidOperationException>(refused).Message, StringComparison.Ordinal);
            tooEarly.SetResult();
            for (int count = 1; count > 0; length += count)
                count = await parts.ReadAsync(read.AsMemory(length), Token);
            done.SetResult((Encoding.ASCII.GetString(read, 0, length), await client.RequestAsync("ask", Reply(1), Seconds, Token)));
        };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text(new string('a', 25), fin: false));
        await tooEarly.Task.InTime();
        stage.Transport.Receive(Frames.Continuation("b"));
        await stage.Transport.NextWriteAsync();
        stage.Transport.Receive(Frames.Text("reply 1"));
        Assert.Equal((new string('a', 25) + "b", "reply 1"), await done.Task.InTime());
        Assert.Equal("Text ask", stage.Sent);
    }

    [Fact]
    public async Task A_message_that_the_function_returns_is_over()
    {
        await _stage.OpenAsync();
        Task<MessageReceivedEventArgs> asking = Client.RequestAsync("ask", message => message, Seconds);
        Transport.Receive(Frames.Text("reply"));
        MessageReceivedEventArgs message = await asking.InTime();
        await Transport.WhenIdle;
        Assert.Throws<InvalidOperationException>(() => message.Text);
    }

    [Fact]
    public async Task Many_requests_from_many_threads_all_get_their_replies()
    {
        await _stage.OpenAsync();
        Task<string>[] asking = [.. await Task.WhenAll(Enumerable.Range(100, 100).Select(i => Task.Run(() => Task.FromResult(AskAsync(i)), Token))).InTime()];
        Transport.Receive([.. Enumerable.Range(100, 100).Reverse().Select(i => Frames.Text($"reply {i}"))]);
        Assert.Equal(Enumerable.Range(100, 100).Select(i => $"reply {i}"), await Task.WhenAll(asking).InTime(), StringComparer.Ordinal);
        await Transport.WhenIdle;
        Assert.DoesNotContain(Connection.Calls, call => call.StartsWith("Message", StringComparison.Ordinal));
    }
}
