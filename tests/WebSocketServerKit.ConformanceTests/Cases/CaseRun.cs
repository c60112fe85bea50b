using System.Globalization;
using WebSocketServerKit.Conformance.Compression;
using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>One run of a case over one open connection: sends, checks what comes back, and keeps a record of it for the table.</summary>
public sealed class CaseRun(RawClient client, Negotiation? extension = null)
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(50);

    private readonly CheckingInflater? _inflater = extension is null ? null : new(extension.WindowBits, extension.ContextTakeover);
    private readonly List<(string What, int Times)> _record = [];

    /// <summary>All that came from the server, in order.</summary>
    public string Record => string.Join(", ", _record.Select(entry =>
        entry.Times == 1 ? entry.What : string.Create(CultureInfo.InvariantCulture, $"{entry.Times:N0} × {entry.What}")));

    /// <summary>Sends frames in one piece.</summary>
    public Task SendAsync(params IEnumerable<ClientFrame> frames) => client.SendAsync(frames);

    /// <summary>Sends each frame as a piece of its own.</summary>
    public async Task SendEachAsync(params IEnumerable<ClientFrame> frames)
    {
        foreach (ClientFrame frame in frames)
            await client.SendAsync(frame);
    }

    /// <summary>Sends each byte as a piece of its own.</summary>
    public Task SendOctetsAsync(params IEnumerable<ClientFrame> frames) => SendPiecesAsync(1, frames);

    /// <summary>Sends frames in pieces of a size, whatever they cut.</summary>
    public Task SendPiecesAsync(int size, params IEnumerable<ClientFrame> frames) =>
        client.WriteInPiecesAsync(ClientFrame.Join(frames), size);

    public Task WriteAsync(ReadOnlyMemory<byte> bytes) => client.WriteAsync(bytes);

    /// <summary>The server has nothing to say to what came so far.</summary>
    public async Task ExpectSilenceAsync() => Assert.True(await client.IsSilentAsync(Moment), "The server spoke, or ended, too early.");

    /// <summary>The next thing that comes is the message, sent back.</summary>
    public async Task ExpectEchoAsync(byte opcode, ReadOnlyMemory<byte> payload)
    {
        ServerFrame echo = await NextAsync();
        Assert.Equal(opcode, echo.Opcode);
        Assert.True(payload.Span.SequenceEqual(echo.Payload.Span), $"The payload came back changed: {echo}");
    }

    public Task ExpectEchoAsync(ClientFrame message) => ExpectEchoAsync(message.Opcode, message.Payload);

    /// <summary>The next thing that comes is the answer to a ping.</summary>
    public Task ExpectPongAsync(ClientFrame ping) => ExpectEchoAsync(ClientFrame.PongOpcode, ping.Payload);

    /// <summary>The client closes; the server answers with the same code and ends the connection in good order.</summary>
    public async Task CloseAsync()
    {
        await client.SendAsync(ClientFrame.Close(1000));
        await ExpectCloseAsync(1000);
    }

    /// <summary>The server answers the client's Close frame with one of exactly this code and reason, and ends with a FIN.</summary>
    public async Task ExpectCloseAsync(int code, string reason = "")
    {
        ServerFrame close = await NextAsync();
        Assert.Equal((ClientFrame.CloseOpcode, code, reason), (close.Opcode, close.CloseCode, close.CloseReason));
        await ExpectFinAsync();
    }

    /// <summary>
    /// The server fails the connection: a Close frame with the code and with a reason that a person can read is the next thing and the
    /// last, and it can be read, because a FIN follows and not a reset.
    /// </summary>
    public async Task ExpectFailureAsync(int code)
    {
        ServerFrame close = await NextAsync();
        Assert.Equal((ClientFrame.CloseOpcode, code), (close.Opcode, close.CloseCode));
        Assert.False(close.CloseReason is "", "The Close frame gives no reason.");
        await ExpectFinAsync();
    }

    private async Task<ServerFrame> NextAsync()
    {
        ServerFrame? frame = await client.ReadAsync();
        if (frame is { IsControl: false } && _inflater is not null)
            frame = Inflate(frame);
        Keep(frame is null ? $"{client.End}".ToUpperInvariant() : frame.ToString());
        return frame ?? throw new InvalidDataException($"The server ended the connection ({client.End}). Before that: {Record}");
    }

    private ServerFrame Inflate(ServerFrame frame)
    {
        // Without context takeover this server sends what compression would make longer as it is; so may it be with a few bytes. With it, later messages may refer to it.
        if (!frame.Rsv1)
        {
            Assert.False(extension!.ContextTakeover || frame.Payload.Length >= 256, $"It is not compressed: {frame}");
            return frame;
        }

        ServerFrame inflated = frame with { Payload = _inflater!.Inflate(frame.Payload.Span) };
        Assert.True(extension!.ContextTakeover || frame.Payload.Length < inflated.Payload.Length, $"It is compressed, and no shorter: {inflated}");
        return inflated;
    }

    private async Task ExpectFinAsync()
    {
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
        Keep("FIN");
    }

    private void Keep(string what)
    {
        if (_record is [.., (var last, var times)] && last == what)
            _record[^1] = (what, times + 1);
        else
            _record.Add((what, 1));
    }
}
