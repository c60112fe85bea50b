#pragma warning disable xUnit1051 // calls without a token are under test too
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientRequestsTests : RequestTest
{
    [Fact]
    public async Task The_first_message_that_is_the_reply_comes_back_and_is_not_raised_and_all_others_are()
    {
        await _stage.OpenAsync();
        Task<string> asking = AskAsync(1);
        Transport.Receive(Frames.Text("other"), Frames.Text("reply 1 a"), Frames.Text("reply 1 b"));
        Assert.Equal("reply 1 a", await asking.InTime());
        await Transport.WhenIdle;
        Assert.Equal(["Message other", "Message reply 1 b"], Connection.Calls.Where(call => call.StartsWith("Message", StringComparison.Ordinal)), StringComparer.Ordinal);
        Assert.Equal("Text ask 1", _stage.Sent);
        Assert.Equal(3, Client.MessagesReceived);
    }

    [Fact]
    public async Task Several_may_be_under_way_and_the_oldest_is_asked_first()
    {
        await _stage.OpenAsync();
        Task<string>[] asking = [AskAsync(1), AskAsync(2), AskAsync(1)];
        Transport.Receive(Frames.Text("reply 2"), Frames.Text("reply 1 a"), Frames.Text("reply 1 b"), Frames.Text("reply 1 c"));
        Assert.Equal(["reply 1 a", "reply 2", "reply 1 b"], await Task.WhenAll(asking).InTime());
        await Connection.Called("Message reply 1 c");
        Assert.Equal("Text ask 1\nText ask 2\nText ask 1", _stage.Sent);
    }

    [Fact]
    public async Task A_request_may_be_bytes_or_prepared_and_a_reply_a_value()
    {
        await _stage.OpenAsync();
        Task<int?> ofBytes = Client.RequestAsync<int?>([65, 66], static message => message.IsText ? null : message.Payload.Length, Seconds);
        Task<byte[]> ofPrepared = Client.RequestAsync(PreparedMessage.FromText("prepared"), static message => message.ToArray(), Seconds);
        Transport.Receive(Frames.Binary("123"u8), Frames.Text("456"));
        Assert.Equal(3, await ofBytes.InTime());
        byte[] copy = await ofPrepared.InTime();
        Assert.Equal("456"u8, copy);
        Assert.Equal("Binary AB\nText prepared", _stage.Sent);
    }

    [Fact]
    public async Task A_reply_that_comes_while_the_request_is_being_written_is_not_missed()
    {
        await _stage.OpenAsync();
        Transport.OnWrite = () =>
        {
            Transport.OnWrite = null;
            Transport.Receive(Frames.Text("reply 1"));
        };
        Assert.Equal("reply 1", await AskAsync(1).InTime());
        Assert.False(Connection.WasCalled("Message reply 1"));
    }

    [Fact]
    public async Task A_handler_may_await_the_reply_and_is_told_that_its_own_message_is_over()
    {
        string? reply = null, early = null;
        Exception? late = null;
        Connection.OnMessage = async () =>
        {
            if (Connection.PayloadText != "begin")
                return;
            MessageReceivedEventArgs message = new(Client, WebSocketMessageType.Text, Connection.Handlers.Run);
            Task<string> asking = AskAsync(1);
            early = message.Text;
            reply = await asking;
            late = Record.Exception(() => message.Text);
            await Client.SendAsync("done");
        };
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("begin"));
        await Transport.NextWriteAsync();
        Transport.Receive(Frames.Text("between"), Frames.Text("reply 1"));
        Assert.Contains("done", Encoding.UTF8.GetString(await Transport.NextWriteAsync()), StringComparison.Ordinal);
        Assert.Equal(("begin", "reply 1"), (early, reply));
        Assert.IsType<InvalidOperationException>(late);
        Assert.True(Connection.WasCalled("Message between"));
        Assert.Empty(_stage.Logged(10));
    }

    [Fact]
    public async Task A_handler_may_ask_again_and_again_also_after_other_awaits()
    {
        List<string> replies = [];
        TaskCompletionSource done = Timely.Signal();
        Connection.OnMessage = async () =>
        {
            await Task.Yield();
            for (int i = 1; i <= 3; i++)
                replies.Add(await AskAsync(i));
            done.SetResult();
        };
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("begin"));
        for (int i = 1; i <= 3; i++)
        {
            await Transport.NextWriteAsync();
            Transport.Receive(Frames.Text($"reply {i}"));
        }

        await done.Task.InTime();
        Assert.Equal(["reply 1", "reply 2", "reply 3"], replies);
    }

    [Fact]
    public async Task A_handler_of_ClientConnected_may_await_the_reply()
    {
        TaskCompletionSource<string> replied = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Connection.OnConnected = async () => replied.SetResult(await AskAsync(1));
        _stage.Start();
        Transport.Receive(RequestHeads.Handshake);
        await Transport.NextWriteAsync();
        await Transport.NextWriteAsync();
        Transport.Receive(Frames.Text("other"), Frames.Text("reply 1"));
        Assert.Equal("reply 1", await replied.Task.InTime());
        await Connection.Called("Message other");
    }

    [Fact]
    public async Task A_handler_in_the_hosts_context_may_await_the_reply()
    {
        using TestContextThread context = new();
        await using var stage = new ConnectionStage(settings => settings with { EventContext = context });
        WebSocketClient client = ClientOf(stage);
        TaskCompletionSource<(string, int, int)> replied = new(TaskCreationOptions.RunContinuationsAsynchronously);
        stage.Connection.OnMessage = async () =>
        {
            int matched = 0;
            string reply = await client.RequestAsync("ask", message =>
            {
                matched = Environment.CurrentManagedThreadId;
                return message.Text;
            }, Seconds);
            replied.SetResult((reply, matched, Environment.CurrentManagedThreadId));
        };
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("begin"));
        await stage.Transport.NextWriteAsync();
        stage.Transport.Receive(Frames.Text("reply"));
        Assert.Equal(("reply", context.ThreadId, context.ThreadId), await replied.Task.InTime());
    }

    [Fact]
    public async Task What_the_function_throws_fails_the_request_and_the_message_is_raised()
    {
        await _stage.OpenAsync();
        Task<string> asking = Client.RequestAsync<string>("ask", _ => throw new InvalidDataException("odd"), Seconds);
        Task<string> next = AskAsync(1);
        Transport.Receive(Frames.Text("x"), Frames.Text("reply 1"));
        Assert.Equal("odd", (await Assert.ThrowsAsync<InvalidDataException>(() => asking)).Message);
        await Connection.Called("Message x");
        Assert.Equal("reply 1", await next.InTime());
        Assert.True(Client.IsOpen);
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task A_client_that_leaves_ends_the_wait_at_once_and_before_that_its_last_messages_count()
    {
        await _stage.OpenAsync();
        Task<string> replied = AskAsync(1), lost = AskAsync(2);
        Transport.Receive(Frames.Text("reply 1"), Frames.Close(1000));
        Assert.Equal("reply 1", await replied.InTime());
        WebSocketException exception = await Assert.ThrowsAsync<WebSocketException>(() => lost.InTime());
        Assert.Contains("client 1 (203.0.113.7:50000 /chat) has left or is leaving", exception.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<WebSocketException>(() => AskAsync(3).InTime());
    }

    [Theory]
    [InlineData("reset")]
    [InlineData("abort")]
    [InlineData("close")]
    [InlineData("stop")]
    public async Task Every_end_of_the_connection_ends_the_wait_at_once_and_is_no_failure_of_a_handler(string end)
    {
        TaskCompletionSource<Exception?> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Connection.OnMessage = async () =>
        {
            try
            {
                await AskAsync(1);
            }
            catch (Exception exception)
            {
                ended.SetResult(exception);
                throw;
            }
        };
        await _stage.OpenAsync();
        Transport.Receive(Frames.Text("begin"));
        await Transport.NextWriteAsync();
        await Transport.WhenIdle;
        switch (end)
        {
            case "reset":
                Transport.Reset();
                break;
            case "abort":
                Client.Abort();
                break;
            case "close":
                _ = Client.CloseAsync(Token);
                break;
            case "stop":
                Connection.BeginStop(CloseCode.GoingAway, "");
                break;
        }

        Assert.IsType<WebSocketException>(await ended.Task.InTime());
        await Polling.UntilAsync(() => _stage.Logged(11).Any());
        Assert.Empty(_stage.Logged(10));
    }

    [Fact]
    public async Task Wrong_arguments_are_refused_before_anything_is_sent()
    {
        await _stage.OpenAsync();
        await Assert.ThrowsAsync<ArgumentNullException>(() => Client.RequestAsync((string)null!, Reply(1), Seconds));
        await Assert.ThrowsAsync<ArgumentNullException>(() => Client.RequestAsync((PreparedMessage)null!, Reply(1), Seconds));
        await Assert.ThrowsAsync<ArgumentNullException>(() => Client.RequestAsync<string>("x", null!, Seconds));
        foreach (TimeSpan timeout in (TimeSpan[])[TimeSpan.FromSeconds(-1), TimeSpan.FromDays(50), TimeSpan.MaxValue])
        {
            ArgumentOutOfRangeException outOfRange = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Client.RequestAsync("x", Reply(1), timeout));
            Assert.StartsWith("The timeout is negative or more than 49.00:00:00. For no limit pass Timeout.InfiniteTimeSpan.", outOfRange.Message, StringComparison.Ordinal);
        }

        ArgumentException asynchronous = await Assert.ThrowsAsync<ArgumentException>(() => Client.RequestAsync("x", async message => await Task.FromResult(message.Text), Seconds));
        Assert.Contains("returns a task", asynchronous.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => Client.RequestAsync("x", message => new ValueTask<string>(message.Text), Seconds));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => AskAsync(1, new CancellationToken(canceled: true)));
        Assert.Empty(_stage.Sent);
    }

    // A thread that runs what is posted to it, as that of a window does.
    private sealed class TestContextThread : SynchronizationContext, IDisposable
    {
        private readonly System.Collections.Concurrent.BlockingCollection<(SendOrPostCallback Callback, object? State)> _posted = [];
        private readonly Thread _thread;

        public TestContextThread()
        {
            _thread = new Thread(() =>
            {
                foreach ((SendOrPostCallback callback, object? state) in _posted.GetConsumingEnumerable())
                    callback(state);
            })
            {
                IsBackground = true,
            };
            _thread.Start();
        }

        public int ThreadId => _thread.ManagedThreadId;

        public override void Post(SendOrPostCallback d, object? state) => _posted.Add((d, state));

        public void Dispose()
        {
            _posted.CompleteAdding();
            _thread.Join();
            _posted.Dispose();
        }
    }
}
