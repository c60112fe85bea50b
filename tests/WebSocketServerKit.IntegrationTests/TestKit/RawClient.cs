using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.TestKit;

/// <summary>
/// A client over a bare socket: every byte that it sends is the test's, and every byte that it receives is checked as strictly as RFC 6455 allows.
/// Not thread-safe, but one may read while another writes.
/// </summary>
internal sealed class RawClient : IDisposable
{
    public const string Key = "dGhlIHNhbXBsZSBub25jZQ==";
    public const string Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    private readonly Socket _socket;
    private byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _end;

    private RawClient(Socket socket) => _socket = socket;

    public IPEndPoint LocalEndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>A TCP connection and nothing more.</summary>
    public static async Task<RawClient> ConnectAsync(IPEndPoint endPoint, int? receiveBuffer = null)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBuffer is { } size)
            socket.ReceiveBufferSize = size;
        await socket.ConnectAsync(endPoint, TestServer.Timely);
        return new RawClient(socket);
    }

    /// <summary>A WebSocket connection, its handshake done and checked.</summary>
    public static async Task<RawClient> OpenAsync(IPEndPoint endPoint, string target = "/", int? receiveBuffer = null)
    {
        RawClient client = await ConnectAsync(endPoint, receiveBuffer);
        await client.WriteAsync(Request(target));
        HttpAnswer answer = await client.ReadAnswerAsync();
        Assert.Equal(101, answer.Status);
        Assert.Equal(Accept, answer.Headers["Sec-WebSocket-Accept"]);
        return client;
    }

    public static byte[] Request(string target = "/", params string[] headers) => Encoding.Latin1.GetBytes(
        $"GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {Key}\r\nSec-WebSocket-Version: 13\r\n"
        + string.Concat(headers.Select(header => header + "\r\n")) + "\r\n");

    public static byte[] Frame(Opcode opcode, ReadOnlySpan<byte> payload, bool fin = true, bool masked = true)
    {
        int extended = payload.Length < 126 ? 0 : payload.Length <= ushort.MaxValue ? 2 : 8;
        byte[] frame = new byte[2 + extended + (masked ? 4 : 0) + payload.Length];
        frame[0] = (byte)((fin ? 0x80 : 0) | (byte)opcode);
        frame[1] = (byte)((masked ? 0x80 : 0) | (extended == 0 ? payload.Length : extended == 2 ? 126 : 127));
        if (extended == 2)
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(2), (ushort)payload.Length);
        else if (extended == 8)
            BinaryPrimitives.WriteInt64BigEndian(frame.AsSpan(2), payload.Length);
        Span<byte> body = frame.AsSpan(frame.Length - payload.Length);
        payload.CopyTo(body);
        if (masked)
        {
            Span<byte> key = frame.AsSpan(2 + extended, 4);
            "\x12\x34\x56\x78"u8.CopyTo(key);
            for (int i = 0; i < body.Length; i++)
                body[i] ^= key[i % 4];
        }

        return frame;
    }

    public static byte[] Text(string text) => Frame(Opcode.Text, Encoding.UTF8.GetBytes(text));

    public static byte[] Close(int code, string reason = "")
    {
        byte[] payload = new byte[2 + Encoding.UTF8.GetByteCount(reason)];
        BinaryPrimitives.WriteUInt16BigEndian(payload, (ushort)code);
        Encoding.UTF8.GetBytes(reason, payload.AsSpan(2));
        return Frame(Opcode.Close, payload);
    }

    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await _socket.SendAsync(bytes, TestServer.Timely)..];
    }

    public Task SendAsync(string text) => WriteAsync(Text(text));

    public Task SendAsync(byte[] payload) => WriteAsync(Frame(Opcode.Binary, payload));

    public Task SendCloseAsync(int code, string reason = "") => WriteAsync(Close(code, reason));

    /// <summary>The next HTTP answer; the body of an answer to HEAD is announced and does not come.</summary>
    public async Task<HttpAnswer> ReadAnswerAsync(bool toHead = false)
    {
        int length;
        while ((length = _buffer.AsSpan(_start, _end - _start).IndexOf("\r\n\r\n"u8)) < 0)
            Assert.True(await FillAsync(), "The connection ended before an answer.");
        HttpAnswer answer = HttpAnswer.Parse(Encoding.Latin1.GetString(_buffer, _start, length), out int bodyLength);
        _start += length + 4;
        if (toHead)
            return answer;
        await BufferAsync(bodyLength);
        string body = Encoding.UTF8.GetString(_buffer, _start, bodyLength);
        _start += bodyLength;
        return answer with { Body = body };
    }

    /// <summary>The next frame, which has to keep every rule for frames of a server.</summary>
    public ValueTask<ServerFrame> ReadFrameAsync() =>
        TryParseFrame(out ServerFrame frame) ? new ValueTask<ServerFrame>(frame) : ReadFrameFromNetworkAsync();

    public async Task<string> ReadTextAsync()
    {
        ServerFrame frame = await ReadFrameAsync();
        Assert.Equal(Opcode.Text, frame.Opcode);
        return frame.Text;
    }

    /// <summary>The server's Close frame: the last of its bytes.</summary>
    public async Task AssertClosedAsync(int code, string? reason = null)
    {
        ServerFrame frame = await ReadFrameAsync();
        Assert.Equal(Opcode.Close, frame.Opcode);
        Assert.Equal(code, frame.CloseCode);
        if (reason is not null)
            Assert.Equal(reason, frame.CloseReason);
        await AssertEndAsync();
    }

    /// <summary>The server ended its side without sending anything more, and without a reset.</summary>
    public async Task AssertEndAsync()
    {
        Assert.Equal(_start, _end);
        Assert.False(await FillAsync(), "The server sent more.");
    }

    /// <summary>The server cut the connection.</summary>
    public async Task AssertResetAsync()
    {
        try
        {
            while (await FillAsync())
                _start = _end;
        }
        catch (SocketException reset) when (reset.SocketErrorCode == SocketError.ConnectionReset)
        {
            return;
        }

        Assert.Fail("The connection ended, but was not reset.");
    }

    /// <summary>Reads whatever comes, this many bytes of it.</summary>
    public async Task SkipAsync(long count)
    {
        while (count > 0)
        {
            if (_start == _end)
                Assert.True(await FillAsync(), "The connection ended early.");
            int taken = (int)Math.Min(count, _end - _start);
            _start += taken;
            count -= taken;
        }
    }

    /// <summary>Answers a Close frame, waits for the end and goes.</summary>
    public async Task LeaveAsync()
    {
        await SendCloseAsync(1000);
        while ((await ReadFrameAsync()).Opcode != Opcode.Close)
        {
        }

        await AssertEndAsync();
        Dispose();
    }

    /// <summary>Ends its own side and goes on reading.</summary>
    public void HalfClose() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Ends with a RST.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public void Dispose() => _socket.Dispose();

    private async ValueTask<ServerFrame> ReadFrameFromNetworkAsync()
    {
        ServerFrame frame;
        while (!TryParseFrame(out frame))
            Assert.True(await FillAsync(), "The connection ended before a frame.");
        return frame;
    }

    private bool TryParseFrame(out ServerFrame frame)
    {
        frame = default;
        ReadOnlySpan<byte> bytes = _buffer.AsSpan(_start, _end - _start);
        if (bytes.Length < 2)
            return false;

        Assert.Equal(0, bytes[0] & 0x70); // no extension was agreed on
        var opcode = (Opcode)(bytes[0] & 0x0F);
        Assert.True(Enum.IsDefined(opcode), "The server sent an unknown opcode.");
        bool fin = (bytes[0] & 0x80) != 0;
        Assert.Equal(0, bytes[1] & 0x80); // 5.1: "A server MUST NOT mask any frames that it sends to the client."
        int header = 2;
        long length = bytes[1];
        if (length == 126)
        {
            if (bytes.Length < 4)
                return false;
            (header, length) = (4, BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]));
            Assert.True(length >= 126, "The length is not in its shortest form.");
        }
        else if (length == 127)
        {
            if (bytes.Length < 10)
                return false;
            (header, length) = (10, BinaryPrimitives.ReadInt64BigEndian(bytes[2..]));
            Assert.True(length > ushort.MaxValue, "The length is not in its shortest form.");
        }

        if (((byte)opcode & 8) != 0)
            Assert.True(fin && length <= 125, "A control frame is fragmented or too long.");
        if (bytes.Length < header + length)
        {
            EnsureRoom((int)(header + length));
            return false;
        }

        frame = new ServerFrame(opcode, fin, bytes.Slice(header, (int)length).ToArray());
        _start += header + (int)length;
        return true;
    }

    private async Task BufferAsync(int count)
    {
        EnsureRoom(count);
        while (_end - _start < count)
            Assert.True(await FillAsync(), "The connection ended early.");
    }

    private async ValueTask<bool> FillAsync()
    {
        if (_start == _end)
            _start = _end = 0;
        if (_end == _buffer.Length)
            EnsureRoom(_end - _start + 1);
        int read = await _socket.ReceiveAsync(_buffer.AsMemory(_end), TestServer.Timely);
        _end += read;
        return read > 0;
    }

    // Room for this many bytes from _start on.
    private void EnsureRoom(int count)
    {
        if (_buffer.Length - _start >= count)
            return;
        byte[] larger = count > _buffer.Length ? new byte[Math.Max(count, _buffer.Length * 2)] : _buffer;
        _buffer.AsSpan(_start, _end - _start).CopyTo(larger);
        (_buffer, _end, _start) = (larger, _end - _start, 0);
    }
}
