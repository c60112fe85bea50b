using System.Collections.Concurrent;
using System.Threading.Channels;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Handling;

public sealed class NoticesTests
{
    private static readonly Notice Began = new(NoticeKind.SlowBegan);
    private static readonly Notice Ended = new(NoticeKind.SlowEnded);

    private readonly ConcurrentQueue<Notice> _raised = [];
    private readonly Channel<Notice> _signals = Channel.CreateUnbounded<Notice>();

    // Completes when one more notice was raised.
    private Task<Notice> RaisedAsync() => _signals.Reader.ReadAsync(TestContext.Current.CancellationToken).InTime();

    private ConnectionStage Stage(Action<Notice>? handler = null, SynchronizationContext? context = null)
    {
        var stage = new ConnectionStage(settings => settings with { EventContext = context });
        stage.Connection.OnNotice = notice =>
        {
            _raised.Enqueue(notice);
            try
            {
                handler?.Invoke(notice);
            }
            finally
            {
                _signals.Writer.TryWrite(notice); // the test sees what the handler has seen
            }
        };
        return stage;
    }

    [Fact]
    public async Task A_notice_is_raised_on_another_thread_while_the_handler_of_a_message_waits()
    {
        int thread = 0;
        await using ConnectionStage stage = Stage(_ => thread = Environment.CurrentManagedThreadId);
        TaskCompletionSource go = Timely.Signal();
        stage.Connection.OnMessage = async () => await go.Task;
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("waits"));
        await stage.Connection.Called("Message waits");

        int mine = 0;
        var notifying = new Thread(() =>
        {
            mine = Environment.CurrentManagedThreadId;
            stage.Connection.Notify(Began);
        });
        notifying.Start();
        await RaisedAsync();
        notifying.Join();

        Assert.NotEqual(mine, thread);
        Assert.Equal([Began], _raised);
        go.SetResult();
    }

    [Fact]
    public async Task A_notice_waits_until_the_handlers_of_ClientConnected_were_called()
    {
        await using ConnectionStage stage = Stage();
        using var go = new ManualResetEventSlim();
        TaskCompletionSource connected = Timely.Signal();
        stage.Connection.OnConnected = () =>
        {
            stage.Connection.Notify(Began);
            connected.SetResult();
            Assert.True(go.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        };
        stage.Start();
        stage.Transport.Receive(RequestHeads.Handshake);
        await connected.Task.InTime();
        Assert.Empty(_raised);
        go.Set();
        await RaisedAsync();
        Assert.Equal([Began], _raised);
    }

    [Fact]
    public async Task A_notice_is_raised_while_an_async_handler_of_ClientConnected_waits()
    {
        await using ConnectionStage stage = Stage();
        TaskCompletionSource go = Timely.Signal();
        stage.Connection.OnConnected = async () => await go.Task;
        stage.Start();
        stage.Transport.Receive(RequestHeads.Handshake);
        await stage.Connection.Called("Connected");
        stage.Connection.Notify(Began);
        await RaisedAsync();
        go.SetResult();
    }

    [Fact]
    public async Task Nothing_is_made_for_notices_that_nobody_hears()
    {
        await using var stage = new ConnectionStage();
        await stage.OpenAsync();
        stage.Connection.Notify(Began);
        stage.Connection.OnNotice = _raised.Enqueue;
        await stage.DisposeAsync();
        Assert.Empty(_raised);
    }

    [Fact]
    public async Task The_next_notice_waits_for_the_async_handlers_of_the_one_before()
    {
        TaskCompletionSource go = Timely.Signal();
        int running = 0, most = 0;
        await using ConnectionStage stage = Stage(async _ =>
        {
            most = Math.Max(most, ++running);
            await go.Task;
            running--;
        });
        await stage.OpenAsync();
        stage.Connection.Notify(Began);
        await RaisedAsync();
        stage.Connection.Notify(Ended);
        go.SetResult();
        await RaisedAsync();
        Assert.Equal([Began, Ended], _raised);
        Assert.Equal(1, most);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handler_that_is_behind_is_told_the_newest_state_only_and_begins_and_ends_alternate(bool endsSlow)
    {
        TaskCompletionSource go = Timely.Signal();
        await using ConnectionStage stage = Stage(async _ => await go.Task);
        await stage.OpenAsync();
        stage.Connection.Notify(Began);
        await RaisedAsync();
        for (int i = 0; i < 100; i++)
        {
            stage.Connection.Notify(Ended);
            stage.Connection.Notify(Began);
            stage.Connection.Notify(new Notice(NoticeKind.Expiring, i));
        }

        if (!endsSlow)
            stage.Connection.Notify(Ended);
        stage.Connection.Notify(new Notice(NoticeKind.OverRate));
        go.SetResult();
        while (await RaisedAsync() is not { Kind: NoticeKind.OverRate })
        {
            // All others come before.
        }

        Notice expiring = new(NoticeKind.Expiring, 99), last = new(NoticeKind.OverRate);
        Assert.Equal(endsSlow ? [Began, Ended, Began, expiring, last] : [Began, expiring, Ended, last], _raised);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_exception_of_a_handler_is_logged_and_closes_the_client(bool late)
    {
        await using ConnectionStage stage = Stage(async _ =>
        {
            if (late)
                await Task.Yield();
            throw new InvalidTimeZoneException();
        });
        await stage.OpenAsync();
        stage.Connection.Notify(Began);
        await Polling.UntilAsync(() => stage.Connection.IsEnding);
        Assert.Equal(DisconnectCause.HandlerFailed, stage.Connection.Ending!.Cause);
        Assert.Contains("ClientSlow", Assert.Single(stage.Logged(10)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Handlers_run_in_the_context_of_the_host()
    {
        var context = new CountingContext();
        SynchronizationContext? seen = null;
        await using ConnectionStage stage = Stage(_ => seen = SynchronizationContext.Current, context);
        await stage.OpenAsync();
        stage.Connection.Notify(Began);
        await RaisedAsync();
        Assert.IsType<HandlerScope>(seen);
        Assert.True(context.Posts > 0);
    }

    [Fact]
    public async Task ClientDisconnected_waits_for_the_handlers_of_a_notice_that_has_begun()
    {
        TaskCompletionSource go = Timely.Signal();
        await using ConnectionStage stage = Stage(async _ => await go.Task);
        stage.IsToldLate = true;
        await stage.OpenAsync();
        stage.Connection.Notify(Began);
        await RaisedAsync();
        stage.Connection.Notify(Ended);
        stage.Transport.EndInput();
        await stage.Connection.Called("Released"); // no notice begins from then on
        Assert.False(stage.Connection.WasCalled("Disconnected"));
        go.SetResult();
        await stage.Connection.Called("Disconnected");
        stage.Connection.Notify(Began);
        Assert.Equal([Began], _raised);
    }

    [Fact]
    public async Task ClientDisconnected_waits_no_longer_than_the_close_timeout()
    {
        TaskCompletionSource go = Timely.Signal();
        await using ConnectionStage stage = Stage(async _ => await go.Task);
        stage.IsToldLate = true;
        await stage.OpenAsync();
        stage.Connection.Notify(Began);
        await RaisedAsync();
        stage.Transport.EndInput();
        await stage.Connection.Called("Released");
        await Polling.UntilAsync(() =>
        {
            stage.Beats(1);
            return stage.Connection.WasCalled("Disconnected");
        });
        go.SetResult();
    }

    [Fact]
    public async Task The_stop_is_told_of_handlers_that_run()
    {
        TaskCompletionSource go = Timely.Signal();
        await using ConnectionStage stage = Stage(async _ => await go.Task);
        await stage.OpenAsync();
        stage.Connection.Notify(Began);
        await RaisedAsync();
        await Polling.UntilAsync(() => stage.Connection.Tracked.Any(handlers => !handlers.IsCompleted));
        go.SetResult();
        await Task.WhenAll(stage.Connection.Tracked).InTime();
    }

    private sealed class CountingContext : SynchronizationContext
    {
        private int _posts;

        public int Posts => _posts;

        public override void Post(SendOrPostCallback d, object? state)
        {
            Interlocked.Increment(ref _posts);
            base.Post(d, state);
        }
    }
}
