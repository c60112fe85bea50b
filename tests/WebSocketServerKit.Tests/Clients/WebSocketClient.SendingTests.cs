#pragma warning disable xUnit1051 // calls without a token are under test too
using System.Buffers;
using System.Net.WebSockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

/// <summary>Calls as a host writes them: that they compile is half of the promise.</summary>
public sealed class WebSocketClientSendingTests : IDisposable
{
    private static readonly byte[] Array = [.. "array"u8];

    private readonly ClientBench _bench = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static ReadOnlySequence<byte> InTwoPieces
    {
        get
        {
            Piece first = new("in two "u8.ToArray());
            Piece second = new("pieces"u8.ToArray(), first);
            return new ReadOnlySequence<byte>(first, 0, second, second.Memory.Length);
        }
    }

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task A_message_may_be_of_whatever_a_host_has()
    {
        WebSocketClient client = _bench.Client();
        await client.SendAsync("text");
        await client.SendAsync("text", Token);
        await client.SendAsync(Array);
        await client.SendAsync(Array, Token);
        await client.SendAsync([66, 67]);
        await client.SendAsync("span"u8, Token);
        await client.SendAsync(Array.AsSpan(1), Token);
        await client.SendAsync(Array.AsMemory(1), Token);
        await client.SendAsync((ReadOnlyMemory<byte>)Array, Token);
        await client.SendAsync(new ArraySegment<byte>(Array, 0, 3), Token);
        await client.SendAsync(new ReadOnlySequence<byte>(Array), Token);
        await client.SendAsync(InTwoPieces, Token);
        await client.SendAsync(new MemoryStream(Array), Token);
        await client.SendAsync(message => message.WriteAsync(Array).AsTask(), Token);
        await client.SendAsync((message, token) => message.WriteAsync(Array, token).AsTask(), Token);
        await client.SendAsync(async message => await message.WriteAsync(Array), Token);
        await client.SendAsync(async (message, token) => await message.WriteAsync(Array, token), Token);

        const string Arrays = "Binary array";
        Assert.Equal(
            [
                "Text text", "Text text", Arrays, Arrays, "Binary BC", "Binary span", "Binary rray", "Binary rray", Arrays, "Binary arr", Arrays, "Binary in two pieces",
                Arrays, Arrays, Arrays, Arrays, Arrays,
            ],
            _bench.SentTo(client).Split('\n'));
    }

    [Fact]
    public async Task Every_kind_of_content_goes_out_as_text_or_binary_as_the_options_say()
    {
        const WebSocketMessageType Text = WebSocketMessageType.Text;
        const WebSocketMessageType Binary = WebSocketMessageType.Binary;
        WebSocketClient client = _bench.Client();
        await client.SendAsync("string", Binary);
        await client.SendAsync("string", Text, Token);
        await client.SendAsync("string", new SendOptions { MessageType = Binary, DisableCompression = true }, Token);
        await client.SendAsync("string", SendOptions.Uncompressed, Token);
        await client.SendAsync(Array, Text);
        await client.SendAsync(Array, Text, Token);
        await client.SendAsync(Array, new SendOptions { MessageType = Text, DisableCompression = true }, Token);
        await client.SendAsync(Array, SendOptions.Uncompressed);
        await client.SendAsync(Array.AsSpan(), Text, Token);
        await client.SendAsync(Array.AsMemory(), Text, Token);
        await client.SendAsync(InTwoPieces, Text, Token);
        await client.SendAsync(new MemoryStream(Array), Text, Token);
        await client.SendAsync(message => message.WriteAsync(Array).AsTask(), Text, Token);
        await client.SendAsync((message, token) => message.WriteAsync(Array, token).AsTask(), Text, Token);
        Assert.Equal(
            [
                "Binary string", "Text string", "Binary string", "Text string", "Text array", "Text array", "Text array", "Binary array", "Text array", "Text array", "Text in two pieces",
                "Text array", "Text array", "Text array",
            ],
            _bench.SentTo(client).Split('\n'));
    }

    [Fact]
    public void What_is_sent_without_waiting_may_be_of_whatever_a_host_has_too()
    {
        WebSocketClient client = _bench.Client();
        SendResult[] results =
        [
            client.TrySend("text"),
            client.TrySend("text", WebSocketMessageType.Binary),
            client.TrySend(Array),
            client.TrySend(Array, WebSocketMessageType.Text),
            client.TrySend("span"u8, WebSocketMessageType.Text),
            client.TrySend(Array.AsMemory(2)),
            client.TrySend(InTwoPieces),
            client.TrySend(Array, SendOptions.Uncompressed),
        ];
        Assert.All(results, result => Assert.Equal((SendResult.Sent, true), (result, result.IsAccepted)));
        Assert.Equal("Text text\nBinary text\nBinary array\nText array\nText span\nBinary ray\nBinary in two pieces\nBinary array", _bench.SentTo(client));
    }

    [Fact]
    public async Task Tells_what_became_of_a_message_that_was_sent_without_waiting()
    {
        WebSocketClient client = _bench.Client(limit: 10);
        ScriptedTransport transport = _bench.TransportOf(client);
        Assert.Equal(SendResult.Sent, client.TrySend("1"));
        transport.HoldWrites();
        Assert.Equal(SendResult.Sent, client.TrySend("2"));
        Assert.Equal(SendResult.Queued, client.TrySend("3"));
        SendResult full = client.TrySend("too much");
        Assert.Equal((SendResult.Dropped, false), (full, full.IsAccepted));
        transport.LetAllWritesEnd();
        await _bench.ConnectionOf(client).Queue.WhenDrained().InTime();
        client.Abort();
        Assert.Equal(SendResult.Closed, client.TrySend("late"));
        Assert.Equal("Text 1\nText 2\nText 3", _bench.SentTo(client));
    }

    [Fact]
    public async Task Refuses_what_cannot_be_a_message_and_says_what_to_do()
    {
        WebSocketClient client = _bench.Client();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await client.SendAsync("x", WebSocketMessageType.Close));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await client.SendAsync(new MemoryStream(), WebSocketMessageType.Close));
        await Assert.ThrowsAsync<ArgumentException>(async () => await client.SendAsync([0xFF], WebSocketMessageType.Text));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await client.SendAsync((string)null!));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await client.SendAsync((Stream)null!));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await client.SendAsync((Func<Stream, Task>)null!));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await client.SendAsync((Func<Stream, CancellationToken, Task>)null!));
        InvalidOperationException nothing = await Assert.ThrowsAsync<InvalidOperationException>(async () => await client.SendAsync(NoTask));
        Assert.Contains("returned null", nothing.Message, StringComparison.Ordinal);
        MemoryStream disposed = new();
        await disposed.DisposeAsync();
        ArgumentException refusal = await Assert.ThrowsAsync<ArgumentException>(async () => await client.SendAsync(disposed));
        Assert.Contains("disposed", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => client.TrySend("x", WebSocketMessageType.Close));
        Assert.Equal("", _bench.SentTo(client));

#pragma warning disable MA0022 // this is the mistake of a host
        static Task NoTask(Stream message) => null!;
#pragma warning restore MA0022
    }

    [Fact]
    public async Task A_stream_is_sent_from_where_it_stands_to_its_end_and_stays_open()
    {
        WebSocketClient client = _bench.Client(limit: 1024 * 1024);
        byte[] content = new byte[200_000];
        Random.Shared.NextBytes(content);
        using MemoryStream stream = new(content) { Position = 50_000 };
        await client.SendAsync(stream, Token);
        Assert.Equal(content[50_000..], _bench.TransportOf(client).Frames.SelectMany(frame => frame.Payload));
        Assert.Equal(content.Length, stream.Position);
        await client.SendAsync(stream, Token);
        Assert.Empty(_bench.TransportOf(client).Frames[^1].Payload);
    }

    [Fact]
    public async Task A_stream_that_fails_before_its_first_fragment_sends_nothing_and_later_closes_the_client()
    {
        WebSocketClient client = _bench.Client(limit: 1024 * 1024);
        await Assert.ThrowsAsync<InvalidDataException>(async () => await client.SendAsync(new FailingStream(after: 10_000), Token));
        Assert.Equal("", _bench.SentTo(client));
        Assert.Equal(SendResult.Sent, client.TrySend("still here"));
    }

    [Fact]
    public async Task The_token_of_the_call_is_the_token_of_the_writer()
    {
        WebSocketClient client = _bench.Client();
        using CancellationTokenSource cancellation = new();
        await client.SendAsync(
            (_, token) =>
            {
                Assert.Equal(cancellation.Token, token);
                return Task.CompletedTask;
            },
            cancellation.Token);
        Assert.Equal("Binary ", _bench.SentTo(client));
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(byte[] bytes, Piece? before = null)
        {
            Memory = bytes;
            RunningIndex = before is null ? 0 : before.RunningIndex + before.Memory.Length;
            before?.Next = this;
        }
    }

    private sealed class FailingStream(int after) : MemoryStream(new byte[after])
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer) is > 0 and var read ? read : throw new InvalidDataException("broken file");

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

        public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken) => CopyAsync(destination, bufferSize, cancellationToken);

        private async Task CopyAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
        {
            byte[] buffer = new byte[bufferSize];
            while (await ReadAsync(buffer, cancellationToken) is > 0 and var read)
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }
    }
}
