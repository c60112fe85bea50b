using System.Net.WebSockets;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientTests : IDisposable
{
    private readonly ClientBench _bench = new();

    public void Dispose() => _bench.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static WebSocketClient ClientOf(ConnectionStage stage)
    {
        HandshakeRequest request = RequestHeads.Parse(RequestHeads.Sample);
        return new(1, stage.Connection, request, handshaking: null, subprotocol: null, extensions: null, stage.Time.GetUtcNow());
    }

    [Fact]
    public async Task Sends_text_and_bytes_and_counts_them()
    {
        WebSocketClient client = _bench.Client();
        await client.SendAsync("1", Cancellation);
        await client.SendAsync("2"u8, cancellationToken: Cancellation);
        await client.SendAsync("3"u8, WebSocketMessageType.Text, Cancellation);
        Assert.True(client.TrySend("4").IsAccepted);
        Assert.True(client.TrySend("5"u8).IsAccepted);
        Assert.Equal("Text 1\nBinary 2\nText 3\nText 4\nBinary 5", _bench.SentTo(client));
        Assert.Equal((5, 5), (client.MessagesSent, client.BytesSent));
    }

    [Fact]
    public async Task Waits_for_room_and_copies_the_payload_before_it_returns()
    {
        WebSocketClient client = _bench.Client(limit: 10);
        ScriptedTransport transport = _bench.TransportOf(client);
        transport.HoldWrites();
        Assert.True(client.TrySend("12345678").IsAccepted);
        byte[] payload = [.. "waits"u8];
        Task waiting = client.SendAsync(payload, WebSocketMessageType.Text, Cancellation).AsTask();
        payload.AsSpan().Clear();
        Assert.False(waiting.IsCompleted);
        Assert.False(client.TrySend("x").IsAccepted);
        Assert.Equal(10, client.UnsentBytes);
        transport.LetAllWritesEnd();
        await waiting.InTime();
        await _bench.ConnectionOf(client).Queue.WhenDrained().InTime();
        Assert.Equal("Text 12345678\nText waits", _bench.SentTo(client));
    }

    [Fact]
    public async Task Cancelled_it_does_not_send_and_lives_on()
    {
        WebSocketClient client = _bench.Client(limit: 10);
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.SendAsync("never", cancelled).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.SendAsync("never"u8, cancellationToken: cancelled).AsTask());
        ScriptedTransport transport = _bench.TransportOf(client);
        transport.HoldWrites();
        client.TrySend("12345678");
        using var source = new CancellationTokenSource();
        Task waiting = client.SendAsync("never", source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.InTime());
        transport.LetAllWritesEnd();
        await _bench.ConnectionOf(client).Queue.WhenDrained().InTime();
        await client.SendAsync("later", Cancellation);
        Assert.Equal("Text 12345678\nText later", _bench.SentTo(client));
    }

    [Fact]
    public async Task Who_has_left_is_told_by_the_exception()
    {
        WebSocketClient client = _bench.Client();
        client.Abort();
        WebSocketException exception = await Assert.ThrowsAsync<WebSocketException>(() => client.SendAsync("late", Cancellation).AsTask());
        Assert.Contains("client 1 (203.0.113.7:50000 /)", exception.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<WebSocketException>(() => client.SendAsync("late"u8, cancellationToken: Cancellation).AsTask());
        Assert.False(client.TrySend("late").IsAccepted);
        Assert.False(client.TrySend("late"u8).IsAccepted);
    }

    [Fact]
    public void What_is_no_message_is_refused()
    {
        WebSocketClient client = _bench.Client();
        Assert.Throws<ArgumentException>(() => client.TrySend([0xC0, 0x80], WebSocketMessageType.Text));
        Assert.Throws<ArgumentOutOfRangeException>(() => client.TrySend([], WebSocketMessageType.Close));
        Assert.Throws<ArgumentNullException>(() => client.TrySend((string)null!));
        Assert.Throws<ArgumentNullException>(() => { _ = client.SendAsync((string)null!, Cancellation).AsTask(); });
        Assert.Empty(_bench.SentTo(client));
    }

    [Theory]
    [InlineData(999)]
    [InlineData(1004)]
    [InlineData(1005)]
    [InlineData(1006)]
    [InlineData(1015)]
    [InlineData(2999)]
    [InlineData(5000)]
    public async Task A_close_code_that_must_not_be_sent_is_refused(int code)
    {
        WebSocketClient client = _bench.Client();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.CloseAsync((CloseCode)code, cancellationToken: Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => client.CloseAsync(1000, new string('ä', 62), cancellationToken: Cancellation));
    }

    [Fact]
    public async Task CloseAsync_completes_when_the_client_is_out_of_the_registry()
    {
        await using var stage = new ConnectionStage();
        await stage.OpenAsync();
        WebSocketClient client = ClientOf(stage);
        Assert.True(client.IsOpen);
        Task first = client.CloseAsync(4000, "done", Cancellation);
        Task again = client.CloseAsync(cancellationToken: Cancellation);
        Assert.False(client.IsOpen);
        Assert.False(first.IsCompleted);
        stage.Transport.Receive(Frames.Close(4000));
        await first.InTime();
        await again.InTime();
        Assert.True(stage.Connection.WasCalled("Closed"));
        await client.CloseAsync(cancellationToken: Cancellation).InTime();
        Assert.Equal((4000, "done"), Assert.Single(stage.Transport.Frames).ReadClose());
    }

    [Fact]
    public async Task CloseAsync_is_bounded_by_the_close_timeout()
    {
        await using var stage = new ConnectionStage();
        await stage.OpenAsync();
        Task closing = ClientOf(stage).CloseAsync(cancellationToken: Cancellation);
        stage.Beats(6);
        await closing.InTime();
        Assert.NotEqual(0, stage.Transport.Aborts);
    }

    [Fact]
    public async Task CloseAsync_inside_a_handler_completes_when_the_Close_frame_is_on_its_way()
    {
        await using var stage = new ConnectionStage();
        WebSocketClient client = ClientOf(stage);
        TaskCompletionSource closed = Timely.Signal();
        stage.Connection.OnMessage = async () =>
        {
            await client.CloseAsync(cancellationToken: Cancellation);
            closed.SetResult();
        };
        await stage.OpenAsync();
        // With more behind it, so that the handler runs inside a cork.
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await closed.Task.InTime();
        Assert.Single(stage.Transport.Frames);
        Assert.False(stage.Connection.WasCalled("Message 2"));
    }

    [Fact]
    public async Task The_wait_for_the_end_can_be_cancelled_and_the_closing_goes_on()
    {
        await using var stage = new ConnectionStage();
        await stage.OpenAsync();
        using var source = new CancellationTokenSource();
        Task closing = ClientOf(stage).CloseAsync(cancellationToken: source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => closing.InTime());
        stage.Transport.Receive(Frames.Close(1000));
        await stage.Connection.Called("Disconnected");
        Assert.True(stage.Connection.WasClean);
    }

    [Fact]
    public void It_is_known_by_what_the_handshake_said()
    {
        WebSocketClient client = _bench.Client("/chat?a=1");
        Assert.Equal((1, "/chat", "a=1", DateTimeOffset.UnixEpoch), (client.Id, client.Path, client.QueryString, client.ConnectedAt));
        Assert.Null(client.Subprotocol);
        Assert.Null(client.User);
        Assert.Null(client.Latency);
        Assert.False(client.IsOpen);
        Assert.Equal("192.0.2.1:8080", client.LocalEndPoint.ToString());
        Assert.Equal((0, 0), (client.MessagesReceived, client.BytesReceived));
        Assert.False(client.ConnectionClosed.IsCancellationRequested);
    }

    [Fact]
    public void Keeps_what_the_host_gives_it_and_gives_it_back_with_its_type()
    {
        WebSocketClient client = _bench.Client();
        Assert.Null(client.State);
        Assert.Contains("State is null", Assert.Throws<InvalidOperationException>(client.GetState<string>).Message, StringComparison.Ordinal);
        client.State = "ann";
        Assert.Equal("ann", client.GetState<string>());
        Assert.Equal("ann", client.GetState<IEnumerable<char>>());
        Assert.Contains("a System.String", Assert.Throws<InvalidOperationException>(() => client.GetState<int>()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compresses_long_messages_for_a_client_that_agreed_unless_told_not_to()
    {
        string text = new('a', 500);
        byte[] bytes = new byte[500];
        await using var stage = new ConnectionStage(settings => settings with
        {
            Compression = new CompressionSettings(
                new PerMessageDeflateParameters(true, true), System.IO.Compression.CompressionLevel.Fastest, MinMessageSize: 100, new CompressionLimits(1, 1)),
        });
        await stage.OpenAsync(RequestHeads.Handshake.Replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", StringComparison.Ordinal));
        WebSocketClient client = ClientOf(stage);

        await client.SendAsync(text, Cancellation);
        await client.SendAsync(bytes, cancellationToken: Cancellation);
        Assert.True(client.TrySend(text).IsAccepted);
        Assert.True(client.TrySend(bytes).IsAccepted);
        Assert.Equal(4, stage.Transport.Frames.Count(frame => frame.Rsv1));
        using var zlib = new Zlib();
        Assert.Equal(text, System.Text.Encoding.UTF8.GetString(zlib.Inflate(stage.Transport.Frames[2].Payload)));
        Assert.Equal(bytes, zlib.Inflate(stage.Transport.Frames[3].Payload));

        await client.SendAsync(text, SendOptions.Uncompressed, Cancellation);
        await client.SendAsync(bytes, SendOptions.Uncompressed, Cancellation);
        Assert.True(client.TrySend(text, SendOptions.Uncompressed).IsAccepted);
        Assert.True(client.TrySend(bytes, SendOptions.Uncompressed).IsAccepted);
        await client.SendAsync("short", Cancellation);
        Assert.True(client.TrySend("short").IsAccepted);
        Assert.Equal(10, stage.Transport.Frames.Count);
        Assert.Equal(4, stage.Transport.Frames.Count(frame => frame.Rsv1));
        Assert.Equal((10, 8 * 500 + 2 * 5), (client.MessagesSent, client.BytesSent));
    }

    [Fact]
    public async Task A_ping_is_answered_with_the_time_to_its_pong()
    {
        await using var stage = new ConnectionStage();
        await stage.OpenAsync();
        WebSocketClient client = ClientOf(stage);
        ValueTask<TimeSpan> first = client.PingAsync(Cancellation);
        ValueTask<TimeSpan> second = client.PingAsync(Cancellation);
        SentFrame ping = Assert.Single(stage.Transport.Frames); // they share it
        stage.Time.Advance(TimeSpan.FromMilliseconds(20));
        stage.Transport.Receive(Frames.Frame(Protocol.Framing.Opcode.Pong, ping.Payload));
        Assert.Equal(TimeSpan.FromMilliseconds(20), await first.InTime());
        Assert.Equal(TimeSpan.FromMilliseconds(20), await second.InTime());
        Assert.Equal(TimeSpan.FromMilliseconds(20), client.Latency);
    }

    [Fact]
    public async Task A_ping_that_is_not_answered_ends_with_the_timeout_the_token_or_the_connection_and_the_client_stays()
    {
        await using var stage = new ConnectionStage();
        await stage.OpenAsync();
        WebSocketClient client = ClientOf(stage);
        using CancellationTokenSource cancellation = new();
        ValueTask<TimeSpan> cancelled = client.PingAsync(cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await cancelled);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await client.PingAsync(cancellation.Token));

        ValueTask<TimeSpan> unanswered = client.PingAsync(Cancellation);
        stage.Time.Advance(stage.Connection.Settings.PingTimeout);
        TimeoutException timeout = await Assert.ThrowsAsync<TimeoutException>(async () => await unanswered);
        Assert.Contains("PingTimeout", timeout.Message, StringComparison.Ordinal);
        Assert.True(client.IsOpen);

        ValueTask<TimeSpan> abandoned = client.PingAsync(Cancellation);
        client.Abort();
        await Assert.ThrowsAsync<WebSocketException>(async () => await abandoned);
        await Assert.ThrowsAsync<WebSocketException>(async () => await client.PingAsync(Cancellation));
    }

    [Fact]
    public void Tells_the_extensions_that_were_agreed_on()
    {
        using var bench = new ClientBench();
        Assert.Null(bench.Client().Extensions);
    }
}
