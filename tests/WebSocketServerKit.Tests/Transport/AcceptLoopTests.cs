using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport;

public sealed class AcceptLoopTests : IDisposable
{
    private static readonly TimeSpan Safety = TimeSpan.FromSeconds(30);

    /// <summary>What accept yields next: a connection, null, or an exception to throw. Empty means that no client comes.</summary>
    private readonly Channel<object?> _incoming = Channel.CreateUnbounded<object?>();
    private readonly Channel<TransportConnection> _accepted = Channel.CreateUnbounded<TransportConnection>();
    private readonly List<IOException> _reports = [];
    private readonly PauseRecorder _time = new();
    private readonly CancellationTokenSource _stopping = new();

    public void Dispose() => _stopping.Dispose();

    [Fact]
    public async Task Hands_over_each_connection_in_the_order_of_arrival()
    {
        Task loop = Run();
        FakeConnection[] connections = [Arrive(), Arrive(), Arrive()];

        foreach (FakeConnection connection in connections)
            Assert.Same(connection, await NextAccepted());

        await Stop(loop);
        Assert.Empty(_reports);
        Assert.All(connections, connection => Assert.Equal("", connection.Fate));
    }

    [Fact]
    public async Task A_client_that_gave_up_is_skipped_at_once_and_without_a_word()
    {
        Task loop = Run();
        Fail(SocketError.ConnectionAborted);
        _incoming.Writer.TryWrite(null);
        FakeConnection next = Arrive();

        Assert.Same(next, await NextAccepted());
        await Stop(loop);
        Assert.Empty(_reports);
        Assert.Equal(0, _time.Pauses.Reader.Count);
    }

    [Fact]
    public async Task A_shortage_is_waited_out_for_100_ms_growing_to_1_s_and_reported_once()
    {
        Task loop = Run();
        List<double> pauses = [];
        for (int i = 0; i < 6; i++)
        {
            Fail(SocketError.TooManyOpenSockets);
            pauses.Add((await PassNextPause()).TotalMilliseconds);
        }

        FakeConnection next = Arrive();

        Assert.Same(next, await NextAccepted());
        await Stop(loop);
        Assert.Equal([100, 200, 400, 800, 1000, 1000], pauses);
        Assert.Contains("no file descriptor left", Assert.Single(_reports).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task During_a_pause_nothing_is_accepted()
    {
        Task loop = Run();
        Fail(SocketError.NoBufferSpaceAvailable);
        TimeSpan pause = await NextPause();
        FakeConnection waiting = Arrive();

        _time.Advance(pause - TimeSpan.FromMilliseconds(1));
        Assert.Equal(1, _incoming.Reader.Count);

        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Same(waiting, await NextAccepted());
        await Stop(loop);
    }

    [Fact]
    public async Task A_success_in_between_makes_the_next_shortage_a_new_one()
    {
        Task loop = Run();
        Fail(SocketError.TooManyOpenSockets);
        await PassNextPause();
        Fail(SocketError.TooManyOpenSockets);
        await PassNextPause();
        Arrive();
        await NextAccepted();
        Fail(SocketError.TooManyOpenSockets);

        Assert.Equal(TimeSpan.FromMilliseconds(100), await PassNextPause());
        await Stop(loop);
        Assert.Equal(2, _reports.Count);
    }

    [Fact]
    public async Task A_client_that_gave_up_does_not_end_a_shortage()
    {
        Task loop = Run();
        Fail(SocketError.TooManyOpenSockets);
        await PassNextPause();
        Fail(SocketError.ConnectionAborted);
        Fail(SocketError.TooManyOpenSockets);

        Assert.Equal(TimeSpan.FromMilliseconds(200), await PassNextPause());
        await Stop(loop);
        Assert.Single(_reports);
    }

    [Fact]
    public async Task An_error_nobody_foresaw_is_a_pause_and_not_the_end()
    {
        Task loop = Run();
        _incoming.Writer.TryWrite(new InvalidOperationException("unforeseen"));
        await PassNextPause();
        FakeConnection next = Arrive();

        Assert.Same(next, await NextAccepted());
        await Stop(loop);
        Assert.EndsWith("unforeseen", Assert.Single(_reports).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_cannot_be_taken_over_is_dropped_and_the_next_is_accepted()
    {
        var unwanted = new FakeConnection();
        Task loop = Run(connection =>
        {
            if (connection == unwanted)
                throw new InvalidOperationException("unwanted");

            _accepted.Writer.TryWrite(connection);
        });
        _incoming.Writer.TryWrite(unwanted);
        FakeConnection next = Arrive();

        Assert.Same(next, await NextAccepted());
        await Stop(loop);
        Assert.Equal("aborted, disposed", unwanted.Fate);
        Assert.EndsWith("unwanted", Assert.Single(_reports).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_that_throws_does_not_end_it()
    {
        Task loop = Run(report: _ => throw new InvalidOperationException("The disk is full."));
        Fail(SocketError.TooManyOpenSockets);
        await PassNextPause();
        FakeConnection next = Arrive();

        Assert.Same(next, await NextAccepted());
        await Stop(loop);
    }

    [Fact]
    public async Task Stopping_ends_a_pause()
    {
        Task loop = Run();
        Fail(SocketError.TooManyOpenSockets);
        await NextPause();

        await Stop(loop);
    }

    [Fact]
    public async Task Whatever_accept_throws_after_the_stop_is_not_reported()
    {
        var acceptEntered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var accepting = new TaskCompletionSource<TransportConnection?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var loop = new AcceptLoop(
            _ =>
            {
                acceptEntered.SetResult();
                return new ValueTask<TransportConnection?>(accepting.Task);
            },
            _ => { },
            _reports.Add,
            _time).RunAsync(_stopping.Token);
        await acceptEntered.Task.WaitAsync(Safety, TestContext.Current.CancellationToken);

        await _stopping.CancelAsync();
        accepting.SetException(new SocketException((int)SocketError.OperationAborted));

        await loop.WaitAsync(Safety, TestContext.Current.CancellationToken);
        Assert.Empty(_reports);
    }

    [Fact]
    public async Task A_connection_that_arrives_with_the_stop_is_dropped()
    {
        var late = new FakeConnection();
        var accepting = new TaskCompletionSource<TransportConnection?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var acceptEntered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var loop = new AcceptLoop(
            _ =>
            {
                acceptEntered.SetResult();
                return new ValueTask<TransportConnection?>(accepting.Task);
            },
            connection => _accepted.Writer.TryWrite(connection),
            _reports.Add,
            _time).RunAsync(_stopping.Token);
        await acceptEntered.Task.WaitAsync(Safety, TestContext.Current.CancellationToken);

        await _stopping.CancelAsync();
        accepting.SetResult(late);

        await loop.WaitAsync(Safety, TestContext.Current.CancellationToken);
        Assert.Equal("aborted, disposed", late.Fate);
        Assert.Equal(0, _accepted.Reader.Count);
    }

    [Fact]
    public async Task Connections_are_never_handed_over_under_the_callers_synchronization_context()
    {
        Arrive();
        var seen = new TaskCompletionSource<SynchronizationContext?>(TaskCreationOptions.RunContinuationsAsynchronously);
        SynchronizationContext? before = SynchronizationContext.Current;
        var window = new SynchronizationContext();
        SynchronizationContext.SetSynchronizationContext(window);
        Task loop;
        try
        {
            loop = Run(_ => seen.TrySetResult(SynchronizationContext.Current));
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }

        Assert.NotSame(window, await seen.Task.WaitAsync(Safety, TestContext.Current.CancellationToken));
        await Stop(loop);
    }

    private Task Run(Action<TransportConnection>? accepted = null, Action<IOException>? report = null) =>
        new AcceptLoop(Accept, accepted ?? (connection => _accepted.Writer.TryWrite(connection)), report ?? _reports.Add, _time)
            .RunAsync(_stopping.Token);

    private async ValueTask<TransportConnection?> Accept(CancellationToken cancellationToken) =>
        await _incoming.Reader.ReadAsync(cancellationToken) switch
        {
            Exception failure => throw failure,
            var connection => (TransportConnection?)connection,
        };

    private FakeConnection Arrive()
    {
        var connection = new FakeConnection();
        _incoming.Writer.TryWrite(connection);
        return connection;
    }

    private void Fail(SocketError error) => _incoming.Writer.TryWrite(new SocketException((int)error));

    private Task<TransportConnection> NextAccepted() =>
        _accepted.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Safety);

    private Task<TimeSpan> NextPause() => _time.Pauses.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Safety);

    private async Task<TimeSpan> PassNextPause()
    {
        TimeSpan pause = await NextPause();
        _time.Advance(pause);
        return pause;
    }

    private async Task Stop(Task loop)
    {
        await _stopping.CancelAsync();
        await loop.WaitAsync(Safety, TestContext.Current.CancellationToken);
    }

    /// <summary>A clock that tells of every timer set on it, so that a test moves it only when the loop is waiting.</summary>
    private sealed class PauseRecorder : FakeTimeProvider
    {
        public Channel<TimeSpan> Pauses { get; } = Channel.CreateUnbounded<TimeSpan>();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            Pauses.Writer.TryWrite(dueTime);
            return timer;
        }
    }

    private sealed class FakeConnection : TransportStub
    {
        public string Fate { get; private set; } = "";

        public override void Abort() => Fate += "aborted";

        public override ValueTask DisposeAsync()
        {
            Fate += ", disposed";
            return base.DisposeAsync();
        }
    }
}
