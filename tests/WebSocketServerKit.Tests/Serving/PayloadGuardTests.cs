using System.Buffers;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class PayloadGuardTests : IAsyncDisposable
{
    private readonly ConnectionStage _stage = new();
    private readonly WebSocketClient _client;

    public PayloadGuardTests() => _client = new WebSocketClient(
        1, _stage.Connection,
        RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);

    public ValueTask DisposeAsync() => _stage.DisposeAsync();

    [Fact]
    public async Task Slices_show_the_payload_while_its_message_lives_and_are_refused_afterwards()
    {
        ReadOnlyMemory<byte> slice = default;
        byte[]? seen = null;
        byte pinned = 0;
        _stage.Connection.OnMessage = () =>
        {
            slice = new PayloadGuard(_client, _stage.Connection.Handlers.Run).Guarded[1..4];
            seen = slice.ToArray();
            using MemoryHandle handle = slice[2..].Pin();
            pinned = slice.Span[2];
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("12345"));
        await _stage.Transport.WhenIdle;

        Assert.Equal("234"u8, seen!);
        Assert.Equal((byte)'4', pinned);
        Assert.Throws<InvalidOperationException>(() => slice.ToArray());
        Assert.Throws<InvalidOperationException>(() => slice.Pin().Dispose());
    }

    [Fact]
    public void A_run_that_never_was_has_no_payload() =>
        Assert.Throws<InvalidOperationException>(() => new PayloadGuard(_client, run: 7).Guarded);
}
