using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.Unicode;

namespace WebSocketServerKit.Raw;

/// <summary>
/// A client over a TCP socket that has control over every byte and every cut of what it sends, and reads what the server sends strictly:
/// <see cref="InvalidDataException"/> for whatever a server must not send. It follows no protocol by itself, except TLS if that is wanted; then each write is a record.
/// </summary>
/// <remarks>One reader and one sender at a time. No wait is longer than 30 s: then it throws <see cref="TimeoutException"/>.</remarks>
public sealed class RawClient : IDisposable, IAsyncDisposable
{
    public const string Key = "dGhlIHNhbXBsZSBub25jZQ==";

    /// <summary>The answer to <see cref="Key"/>, as RFC 6455 1.3 computes it.</summary>
    public const string Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    private const int MaxFrame = 1 << 28;
    private static readonly TimeSpan Safety = TimeSpan.FromSeconds(30);

    private readonly Socket _socket;
    private CancellationTokenSource _safety = new();
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _start; // of what was received and not read yet
    private int _end;
    private readonly List<ServerFrame> _fragments = []; // of the message that ReadAsync is putting together
    private bool _inMessage;
    private bool _closeRead;
    private readonly Wire? _wire; // below TLS
    private SslStream? _tls;      // null without TLS
    private Task<int>? _pending;  // a read over TLS that IsSilentAsync has begun

    private RawClient(Socket socket, bool isSecure)
    {
        _socket = socket;
        _socket.NoDelay = true; // each send is a piece of its own
        _wire = isSecure ? new Wire(socket) : null;
    }

    /// <summary>How the server ended its side; null as long as nobody has read that far.</summary>
    public ConnectionEnd? End { get; private set; }

    /// <summary>permessage-deflate was agreed on: RSV1 may be set on the first frame of a message. What is compressed is handed on so.</summary>
    public bool AcceptsDeflated { get; set; }

    public IPEndPoint LocalEndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>The request of a handshake that every server accepts, with more header lines if wanted.</summary>
    public static string Request(string target = "/", params IEnumerable<string> headerLines) =>
        string.Concat(
        [
            $"GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            $"Sec-WebSocket-Key: {Key}\r\nSec-WebSocket-Version: 13\r\n",
            .. headerLines.Select(line => line + "\r\n"),
            "\r\n",
        ]);

    /// <summary>Connects and sends nothing.</summary>
    /// <param name="server">Where it listens.</param>
    /// <param name="receiveBuffer">How many bytes the system may hold for the client; null for its default.</param>
    /// <param name="tls">The TLS handshake to do; null for none.</param>
    public static async Task<RawClient> ConnectAsync(IPEndPoint server, int? receiveBuffer = null, SslClientAuthenticationOptions? tls = null)
    {
        var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (receiveBuffer is { } size)
            socket.ReceiveBufferSize = size;
        using var safety = new CancellationTokenSource(Safety);
        await socket.ConnectAsync(server, safety.Token);
        var client = new RawClient(socket, tls is not null);
        if (tls is not null)
            await client.AuthenticateAsync(tls);
        return client;
    }

    /// <summary>Connects and gets the opening handshake done.</summary>
    public static async Task<RawClient> OpenAsync(IPEndPoint server, string target = "/", SslClientAuthenticationOptions? tls = null, params IEnumerable<string> headerLines)
    {
        RawClient client = await ConnectAsync(server, tls: tls);
        await client.WriteAsync(Request(target, headerLines));
        await client.ReadAcceptanceAsync();
        return client;
    }

    /// <summary>Writes bytes as they are, in one piece.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            if (_tls is not null)
            {
                await WriteSecurelyAsync(_tls, bytes);
                return;
            }

            while (!bytes.IsEmpty)
                bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, Timely())..];
        }
        catch (OperationCanceledException late)
        {
            throw new TimeoutException($"The server has taken nothing for {Safety.TotalSeconds} s.", late);
        }
    }

    /// <summary>Writes text as it is; its characters stand for bytes (Latin-1).</summary>
    public Task WriteAsync(string text) => WriteAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends frames in one piece.</summary>
    public Task SendAsync(params IEnumerable<ClientFrame> frames) => WriteAsync(ClientFrame.Join(frames));

    /// <summary>Writes bytes in pieces of a size, each flushed by itself.</summary>
    public async Task WriteInPiecesAsync(ReadOnlyMemory<byte> bytes, int size)
    {
        for (; bytes.Length > size; bytes = bytes[size..])
            await WriteAsync(bytes[..size]);
        await WriteAsync(bytes);
    }

    /// <summary>Ends this side: the server reads what was sent and then the end.</summary>
    public void HalfClose()
    {
        _tls?.ShutdownAsync().GetAwaiter().GetResult(); // a few bytes, which the system takes at once
        _socket.Shutdown(SocketShutdown.Send);
    }

    /// <summary>Cuts the connection with a RST.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    /// <summary>Reads the answer that opens the WebSocket; anything else is an error.</summary>
    public async Task<HttpAnswer> ReadAcceptanceAsync()
    {
        HttpAnswer answer = await ReadAnswerAsync();
        if (answer.StatusLine is not "HTTP/1.1 101 Switching Protocols" || answer["Sec-WebSocket-Accept"] is not [Accept])
            throw new InvalidDataException($"The handshake was not accepted:\n{answer}");
        return answer;
    }

    /// <summary>Reads one HTTP answer.</summary>
    /// <param name="toHead">Whether it answers a HEAD request, so that it has no body whatever its headers say.</param>
    public async Task<HttpAnswer> ReadAnswerAsync(bool toHead = false)
    {
        string statusLine = await ReadLineAsync();
        if (!statusLine.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) || statusLine.Length < 13 || statusLine[12] != ' ')
            throw new InvalidDataException($"This is no status line: {statusLine}");

        List<KeyValuePair<string, string>> headers = [];
        for (string line = await ReadLineAsync(); line is not ""; line = await ReadLineAsync())
        {
            int colon = line.IndexOf(": ", StringComparison.Ordinal);
            if (colon <= 0 || line.AsSpan(0, colon).ContainsAny(" \t"))
                throw new InvalidDataException($"This is no header line: {line}");
            headers.Add(new(line[..colon], line[(colon + 2)..]));
        }

        var answer = new HttpAnswer(statusLine, headers, "");
        if (toHead || statusLine[9..12] is "101" or "204" or "304")
            return answer;
        if (answer["Content-Length"] is not [var length])
            throw new InvalidDataException($"The answer has not one Content-Length:\n{answer}");
        byte[] body = new byte[int.Parse(length, NumberStyles.None, CultureInfo.InvariantCulture)];
        await ReadExactlyAsync(body);
        return answer with { Body = Encoding.UTF8.GetString(body) };
    }

    /// <summary>Reads the next frame as it was sent; null when the server has ended its side (see <see cref="End"/>).</summary>
    public async Task<ServerFrame?> ReadFrameAsync()
    {
        if (_start == _end && !await ReceiveAsync())
            return null;
        if (_closeRead)
            throw new InvalidDataException("Something follows the Close frame.");

        byte[] head = new byte[8];
        await ReadExactlyAsync(head.AsMemory(0, 2));
        byte opcode = (byte)(head[0] & 0x0F);
        bool fin = (head[0] & 0x80) != 0;
        int length = head[1] & 0x7F;
        bool rsv1 = (head[0] & 0x40) != 0;
        Require((head[0] & 0x30) == 0 && (!rsv1 || AcceptsDeflated), "a reserved bit is set");
        Require(!rsv1 || opcode is 1 or 2, "RSV1 is set on a frame that begins no message");
        Require(opcode is <= 2 or (>= 8 and <= 10), $"the opcode {opcode} is unknown");
        Require((head[1] & 0x80) == 0, "a server must not mask");
        Require(opcode < 8 || (fin && length <= 125), "a control frame is fragmented or long");
        Require(opcode is not (1 or 2) || !_inMessage, "a message begins within another");
        Require(opcode is not 0 || _inMessage, "there is nothing to continue");
        if (opcode < 8)
            _inMessage = !fin;
        _closeRead = opcode == ClientFrame.CloseOpcode;

        if (length == 126)
        {
            await ReadExactlyAsync(head.AsMemory(0, 2));
            length = BinaryPrimitives.ReadUInt16BigEndian(head);
            Require(length >= 126, "the length is not in its shortest form");
        }
        else if (length == 127)
        {
            await ReadExactlyAsync(head);
            ulong longLength = BinaryPrimitives.ReadUInt64BigEndian(head);
            Require(longLength is > ushort.MaxValue and <= MaxFrame, $"the length {longLength} is absurd or not in its shortest form");
            length = (int)longLength;
        }

        byte[] payload = new byte[length];
        await ReadExactlyAsync(payload);
        if (_closeRead)
            Require(length is 0 or >= 2 && (length < 2 || Utf8.IsValid(payload.AsSpan(2))), "the payload of the Close frame is malformed");
        return new ServerFrame(opcode, fin, payload) { Rsv1 = rsv1 };
    }

    /// <summary>
    /// Reads the next control frame or whole message, its fragments joined; control frames may come between them. Null when the server has
    /// ended its side.
    /// </summary>
    public async Task<ServerFrame?> ReadAsync()
    {
        while (await ReadFrameAsync() is { } frame)
        {
            if (frame.IsControl)
                return frame;
            _fragments.Add(frame);
            if (!frame.Fin)
                continue;

            ServerFrame message = _fragments.Count == 1 ? frame : _fragments[0] with { Fin = true, Payload = JoinFragments() };
            _fragments.Clear();
            Require(message.Opcode != ClientFrame.TextOpcode || message.Rsv1 || Utf8.IsValid(message.Payload.Span), "a text is not valid UTF-8");
            return message;
        }

        return null;
    }

    /// <summary>Waits for the server to end its side; anything else that comes is an error.</summary>
    public async Task<ConnectionEnd> ReadEndAsync()
    {
        if (_start < _end || await ReceiveAsync())
            throw new InvalidDataException($"There is more to read: {Encoding.Latin1.GetString(_buffer, _start, _end - _start)}");
        return End!.Value;
    }

    /// <summary>Whether nothing comes for this long, not even an end.</summary>
    public async Task<bool> IsSilentAsync(TimeSpan time)
    {
        if (_start < _end || End is not null)
            return false;
        if (_tls is not null)
        {
            _pending ??= ReceiveSecurelyAsync(_tls, _wire!);
            return await Task.WhenAny(_pending, Task.Delay(time)) != _pending;
        }

        using var timeout = new CancellationTokenSource(time);
        try
        {
            // A read of no bytes waits until there is something to read, and leaves it there. It may also end because of bytes that were read before it began.
            do
                await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, timeout.Token);
            while (!_socket.Poll(TimeSpan.Zero, SelectMode.SelectRead));
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }

    /// <summary>Reads this many bytes, whatever they are.</summary>
    public async Task<byte[]> ReadBytesAsync(int count)
    {
        byte[] bytes = new byte[count];
        await ReadExactlyAsync(bytes);
        return bytes;
    }

    /// <summary>Reads this many bytes, whatever they are, and throws them away; gives back their number.</summary>
    public async Task<long> SkipAsync(long count)
    {
        for (long left = count; left > 0;)
        {
            if (_start == _end && !await ReceiveAsync())
                throw new InvalidDataException($"The server ended the connection ({End}) with {left} bytes to come.");
            int taken = (int)Math.Min(left, _end - _start);
            _start += taken;
            left -= taken;
        }

        return count;
    }

    /// <summary>Throws away whatever comes until the server ends its side.</summary>
    public async Task<ConnectionEnd> SkipToEndAsync()
    {
        while (_start < _end || await ReceiveAsync())
            _start = _end;
        return End!.Value;
    }

    public void Dispose()
    {
        _socket.Dispose();
        _tls?.Dispose();
        _wire?.Dispose();
        _safety.Dispose();
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<string> ReadLineAsync()
    {
        var line = new StringBuilder();
        byte[] octet = new byte[1];
        while (true)
        {
            await ReadExactlyAsync(octet);
            if (octet[0] == '\r')
            {
                await ReadExactlyAsync(octet);
                Require(octet[0] == '\n', "a CR stands alone");
                return line.ToString();
            }

            Require(octet[0] is >= 0x20 and < 0x7F, $"the byte 0x{octet[0]:X2} is in the head of an answer");
            line.Append((char)octet[0]);
        }
    }

    private async ValueTask ReadExactlyAsync(Memory<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            if (_start == _end && !await ReceiveAsync())
                throw new InvalidDataException($"The server ended the connection ({End}) in the middle of a frame or an answer.");
            int count = Math.Min(_end - _start, destination.Length);
            _buffer.AsMemory(_start, count).CopyTo(destination);
            _start += count;
            destination = destination[count..];
        }
    }

    // Fills the buffer, which has been read to its end; false when the server has ended its side.
    private async ValueTask<bool> ReceiveAsync()
    {
        if (End is not null)
            return false;
        try
        {
            _start = 0;
            _end = 0;
            if (_tls is not null)
            {
                Task<int> reading = _pending ?? ReceiveSecurelyAsync(_tls, _wire!);
                _pending = null;
                _end = await reading;
            }
            else
            {
                _end = await _socket.ReceiveAsync(_buffer, SocketFlags.None, Timely());
            }

            if (_end == 0)
                End = ConnectionEnd.Fin;
        }
        catch (SocketException reset) when (reset.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            End = ConnectionEnd.Reset;
        }
        catch (OperationCanceledException late)
        {
            throw new TimeoutException($"The server has said nothing for {Safety.TotalSeconds} s.", late);
        }

        return End is null;
    }

    private async Task AuthenticateAsync(SslClientAuthenticationOptions tls)
    {
        var stream = new SslStream(_wire!, leaveInnerStreamOpen: true);
        try
        {
            await stream.AuthenticateAsClientAsync(tls, Timely());
            _tls = stream;
        }
        catch (IOException lost) when (lost.InnerException is SocketException)
        {
            throw lost.InnerException;
        }
        finally
        {
            if (_tls is null)
                Dispose();
        }
    }

    private async Task WriteSecurelyAsync(SslStream stream, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await stream.WriteAsync(bytes, Timely());
        }
        catch (IOException lost) when (lost.InnerException is SocketException)
        {
            throw lost.InnerException;
        }
    }

    private async Task<int> ReceiveSecurelyAsync(SslStream stream, Wire wire)
    {
        try
        {
            int count = await stream.ReadAsync(_buffer, Timely());
            if (count > 0)
                return count;
        }
        catch (IOException lost) when (lost.InnerException is SocketException)
        {
            throw lost.InnerException;
        }

        // RFC 8446 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the connection".
        Require(!wire.HasEnded, "it ended the connection without a close_notify");
        Require(await _socket.ReceiveAsync(_buffer, SocketFlags.None, Timely()) == 0, "something follows the close_notify");
        return 0;
    }

    private byte[] JoinFragments()
    {
        using var joined = new MemoryStream();
        foreach (ServerFrame fragment in _fragments)
            joined.Write(fragment.Payload.Span);
        return joined.ToArray();
    }

    private CancellationToken Timely()
    {
        // The time runs on after the last call: a client that a test has left alone for long begins anew.
        if (_safety.IsCancellationRequested)
            _safety = new CancellationTokenSource();
        _safety.CancelAfter(Safety);
        return _safety.Token;
    }

    private static void Require(bool holds, string complaint)
    {
        if (!holds)
            throw new InvalidDataException($"The server broke a rule: {complaint}.");
    }

    // Tells whether a FIN was read.
    private sealed class Wire(Socket socket) : NetworkStream(socket, ownsSocket: false)
    {
        public bool HasEnded { get; private set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await base.ReadAsync(buffer, cancellationToken);
            HasEnded |= count == 0 && !buffer.IsEmpty;
            return count;
        }
    }
}
