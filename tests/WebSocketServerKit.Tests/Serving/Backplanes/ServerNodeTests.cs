using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving.Backplanes;

public sealed class ServerNodeTests : IAsyncLifetime
{
    private readonly ClientBench _bench = new();
    private readonly FakeTimeProvider _time = new();
    private readonly ClientRegistry _clients;
    private readonly ScriptedBackplane _backplane = new();
    private readonly FakeLogger _log = new();
    private ServerNode _node = null!;

    public ServerNodeTests() => _clients = new ClientRegistry(new WebSocketServerOptions { TimeProvider = _time });

    public async ValueTask InitializeAsync() =>
        _node = await ServerNode.ConnectAsync(_backplane, _clients, new ServerLog(_log), _time, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        _bench.Dispose();
    }

    private Envelope Single()
    {
        Assert.True(Envelope.TryRead(Assert.Single(_backplane.Published).Message, out Envelope envelope, out _));
        Assert.Equal(_clients.NodeId, envelope.Sender);
        return envelope;
    }

    private int[] Logged => [.. _log.Collector.GetSnapshot().Select(record => record.Id.Id)];

    [Fact]
    public void A_selection_is_published_where_the_fewest_servers_listen()
    {
        ClientSelection both = _clients.InGroup("a").WithTag("x");
        foreach (ClientSelection selection in (ClientSelection[])[
            _clients, _clients.WithTag("x"), _clients.InAnyGroup("a", "b"), both, both.SubscribedTo("t"), _clients.SubscribedTo("t"), both.WithUser("u"), both.WithGlobalId(new("n", 1)), _clients.Except(both)])
        {
            Assert.Equal(ForwardResult.Accepted, selection.Broadcast("m").OtherServers);
        }

        Assert.Equal(["all", "all", "all", "group:a", "group:a", "topics", "user:u", "node:n", "all"], _backplane.Published.Select(published => published.Channel), StringComparer.Ordinal);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_message_keeps_its_type_its_key_and_whether_it_may_be_compressed(bool text, bool latest)
    {
        SendOptions options = new() { MessageType = text ? System.Net.WebSockets.WebSocketMessageType.Text : null, DisableCompression = latest };
        BroadcastResult result = latest ? _clients.BroadcastLatest("k", "m"u8, options) : _clients.Broadcast("m"u8, options);
        Assert.Equal(ForwardResult.Accepted, result.OtherServers);
        Envelope envelope = Single();
        Assert.Equal(
            ((text ? EnvelopeFlags.Text : EnvelopeFlags.None) | (latest ? EnvelopeFlags.Latest | EnvelopeFlags.Uncompressed : EnvelopeFlags.None), latest ? "k" : "", "m"),
            (envelope.Flags, envelope.Key, System.Text.Encoding.UTF8.GetString(envelope.Payload.Span)));
    }

    [Fact]
    public void Every_form_of_a_message_is_published()
    {
        _clients.Broadcast(PreparedMessage.FromText("one"));
        _clients.Broadcast("two");
        using SharedMessage held = new(Opcode.Text, "three"u8.ToArray(), true, System.Buffers.ArrayPool<byte>.Shared);
        _clients.Broadcast(held);
        _clients.Broadcast("");
        Assert.Equal(["one", "two", "three", ""], _backplane.Published.Select(published =>
        {
            Assert.True(Envelope.TryRead(published.Message, out Envelope envelope, out _));
            return System.Text.Encoding.UTF8.GetString(envelope.Payload.Span);
        }), StringComparer.Ordinal);
    }

    [Fact]
    public void What_nobody_else_wants_is_not_published()
    {
        _backplane.Wanted = false;
        Assert.Equal(ForwardResult.Unneeded, _clients.InGroup("a").Broadcast("m").OtherServers);
        _clients.InGroup("a").Abort();
        Assert.Empty(_backplane.Published);
    }

    [Fact]
    public void What_the_backplane_does_not_take_is_told_as_dropped()
    {
        _backplane.Accepts = false;
        Assert.Equal(ForwardResult.Dropped, _clients.Broadcast("m").OtherServers);
    }

    [Fact]
    public async Task A_selection_with_a_function_of_the_host_cannot_travel_and_nothing_is_sent()
    {
        ClientSelection some = _clients.InGroup("a").Where(_ => throw new InvalidOperationException("It must not be called."));
        Assert.Contains("OnThisServer()", Assert.Throws<InvalidOperationException>(() => some.Broadcast("m")).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => some.CloseAsync(TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<InvalidOperationException>(() => some.BroadcastAsync("m", cancellationToken: TestContext.Current.CancellationToken));
        Assert.Throws<InvalidOperationException>(some.Abort);
        Assert.Throws<InvalidOperationException>(() => some.Join("b"));
        Assert.Throws<InvalidOperationException>(() => _clients.Except(some).Broadcast("m"));

        ClientSelection here = some.OnThisServer();
        Assert.Equal(ForwardResult.Unneeded, here.Broadcast("m").OtherServers);
        _clients.Except(here).Broadcast("m");
        Assert.Equal("all", Assert.Single(_backplane.Published).Channel);
    }

    [Fact]
    public void Closes_resets_and_joins_are_published()
    {
        _ = _clients.InGroup("a").CloseAsync(4001, "bye", TestContext.Current.CancellationToken);
        _clients.InGroup("a").Abort();
        _clients.InGroup("a").Join("b");
        _clients.InGroup("a").Leave("b");
        Assert.Equal([(EnvelopeKind.Close, ""), (EnvelopeKind.Abort, ""), (EnvelopeKind.Join, "b"), (EnvelopeKind.Leave, "b")], _backplane.Published.Select(published =>
        {
            Assert.True(Envelope.TryRead(published.Message, out Envelope envelope, out _));
            return (envelope.Kind, envelope.Key);
        }));
    }

    [Fact]
    public void What_others_publish_is_done_for_the_clients_here_and_is_not_published_again()
    {
        WebSocketClient member = _bench.Client("/", "203.0.113.7"), other = _bench.Client("/", "203.0.113.7");
        _clients.Add(member);
        _clients.Add(other);
        member.Join("a");
        ReadOnlyMemory<byte> selection = SelectionDescription.Of(_clients.InGroup("a"));
        Receive("group:a", new Envelope { Kind = EnvelopeKind.Join, Sender = "other", Selection = selection, Key = "b" }.Write([]));
        Assert.True(member.IsIn("b"));
        Assert.False(other.IsIn("b"));
        Receive("group:a", new Envelope { Kind = EnvelopeKind.Leave, Sender = "other", Selection = selection, Key = "b" }.Write([]));
        Assert.False(member.IsIn("b"));
        Assert.Empty(_backplane.Published);
    }

    [Fact]
    public void Its_own_messages_are_dropped_when_they_come_back()
    {
        WebSocketClient client = _bench.Client("/", "203.0.113.7");
        _clients.Add(client);
        _clients.Join("a");
        client.Leave("a");
        Receive("all", _backplane.Published[0].Message);
        Assert.False(client.IsIn("a"));
    }

    [Fact]
    public void A_message_that_cannot_be_read_is_dropped_and_told_once()
    {
        byte[] later = new Envelope { Kind = EnvelopeKind.Abort, Sender = "other", Key = "" }.Write([]);
        later[0] = 9;
        Receive("all", later);
        Receive("all", new Envelope { Kind = (EnvelopeKind)99, Sender = "other", Key = "" }.Write([]));
        Receive("all", new Envelope { Kind = EnvelopeKind.Abort, Sender = "other", Selection = new byte[] { 88 }, Key = "" }.Write([]));
        Receive("all", new Envelope { Kind = EnvelopeKind.Close, Sender = "other", Key = "" }.Write([3, 237])); // 1005 must not be sent
        Assert.Equal([42], Logged);
        Assert.Contains("version 9", _log.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_close_reason_that_is_too_long_to_be_sent_is_damaged()
    {
        Receive("all", new Envelope { Kind = EnvelopeKind.Close, Sender = "other", Key = "" }.Write([3, 232, .. new byte[124]]));
        Assert.Equal([42], Logged);
    }

    [Fact]
    public async Task Messages_that_come_together_leave_in_one_write_for_each_client()
    {
        const int Messages = 16;
        WebSocketClient[] clients = [.. Enumerable.Range(0, 100).Select(_ => _bench.Client("/", "203.0.113.7"))];
        foreach (WebSocketClient client in clients)
            _clients.Add(client);
        byte[] message = new Envelope { Kind = EnvelopeKind.Message, Flags = EnvelopeFlags.Text, Sender = "other", Key = "" }.Write("m"u8);
        _backplane.Receiver.Receive("all", [.. Enumerable.Repeat<ReadOnlyMemory<byte>>(message, Messages)]);
        foreach (WebSocketClient client in clients)
            await Polling.UntilAsync(() => _bench.TransportOf(client).Frames.Count == Messages);
        // Where the thread is stopped for long, the clock flushes earlier.
        Assert.InRange(clients.Sum(client => _bench.TransportOf(client).Writes.Count), clients.Length, 2 * clients.Length);
    }

    [Fact]
    public async Task A_report_adds_up_what_the_servers_answer()
    {
        _backplane.Publishing = (channel, message) =>
        {
            Assert.True(Envelope.TryRead(message, out Envelope question, out _));
            // One answers before it is known how many there are.
            Answer(question.Request, "one", new BroadcastResult { Sent = 2 });
            Answer(question.Request, "two", new BroadcastResult { Queued = 3, Dropped = 1 });
            return Task.FromResult(2);
        };
        BroadcastReport report = await _clients.WithUser("ada").BroadcastAsync("m", cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((5, 1, 2, 2, true), (report.Result.Accepted, report.Result.Dropped, report.ServersAsked, report.ServersAnswered, report.IsComplete));
    }

    [Fact]
    public async Task A_report_does_not_wait_longer_than_its_timeout()
    {
        _backplane.Publishing = (channel, message) =>
        {
            Assert.True(Envelope.TryRead(message, out Envelope question, out _));
            Answer(question.Request, "one", new BroadcastResult { Sent = 2 });
            return Task.FromResult(2);
        };
        Task<BroadcastReport> asking = _clients.BroadcastAsync("m", timeout: TimeSpan.FromSeconds(3), cancellationToken: TestContext.Current.CancellationToken);
        await Polling.UntilAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return asking.IsCompleted;
        });
        BroadcastReport report = await asking;
        Assert.Equal((2, 2, 1, false), (report.Result.Sent, report.ServersAsked, report.ServersAnswered, report.IsComplete));
        Answer(1, "late", new BroadcastResult { Sent = 2 }); // nobody waits for it
    }

    [Fact]
    public async Task A_backplane_that_does_not_answer_fails_the_report()
    {
        _backplane.Publishing = (_, _) => new TaskCompletionSource<int>().Task;
        Task<BroadcastReport> asking = _clients.BroadcastAsync("m", cancellationToken: TestContext.Current.CancellationToken);
        await Polling.UntilAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return asking.IsCompleted;
        });
        await Assert.ThrowsAsync<IOException>(() => asking);
    }

    [Fact]
    public void Who_asks_is_answered_on_its_own_channel()
    {
        WebSocketClient client = _bench.Client("/", "203.0.113.7");
        _clients.Add(client);
        Receive("all", new Envelope { Kind = EnvelopeKind.Message, Request = 7, Sender = "asker", Selection = SelectionDescription.Of(_clients), Key = "" }.Write("m"u8));
        Assert.Equal("node:asker", Assert.Single(_backplane.Published).Channel);
        Envelope reply = Single();
        Assert.Equal((EnvelopeKind.Reply, 7UL), (reply.Kind, reply.Request));
        Assert.True(Envelope.TryReadResult(reply.Payload, out BroadcastResult result));
        Assert.Equal(1, result.Accepted + result.Dropped + result.Closed);
    }

    [Fact]
    public async Task After_its_end_nothing_is_published()
    {
        await _node.DisposeAsync();
        Assert.Contains("disposed", _backplane.Calls, StringComparer.Ordinal);
        Assert.Equal(ForwardResult.Unneeded, _clients.Broadcast("m").OtherServers);
        Assert.Empty(_backplane.Published);
    }

    private void Receive(string channel, byte[] message) => _backplane.Receiver.Receive(channel, [message]);

    private void Answer(ulong request, string sender, BroadcastResult result) => Receive(
        $"node:{_clients.NodeId}", new Envelope { Kind = EnvelopeKind.Reply, Request = request, Sender = sender, Key = "" }.Write(Envelope.WriteResult(result)));
}
