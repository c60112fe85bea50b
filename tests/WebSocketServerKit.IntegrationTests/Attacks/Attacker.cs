using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Attacks;

/// <summary>A raw client that keeps no rule unless it is told to. It speaks TLS if the test's class says so.</summary>
internal sealed class Attacker : IDisposable
{
    public const string RequestLine = "GET / HTTP/1.1\r\n";

    public static readonly string Request =
        RequestLine
        + "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

    private byte[] _received = new byte[1024];
    private readonly CancellationToken _timely = AttackedServer.Timely;
    private int _length;

    private SslStream? _tls;

    private Attacker(Socket socket) => Socket = socket;

    public Socket Socket { get; }

    public static async Task<Attacker> ConnectAsync(IPEndPoint endPoint, int receiveBuffer = 0)
    {
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBuffer > 0)
            socket.ReceiveBufferSize = receiveBuffer;
        await socket.ConnectAsync(endPoint, AttackedServer.Timely);
        var attacker = new Attacker(socket);
        if (OverTlsAttribute.Client is { } tls)
        {
            attacker._tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
            await attacker._tls.AuthenticateAsClientAsync(tls, AttackedServer.Timely);
        }

        return attacker;
    }

    /// <summary>One frame, masked with a key of zeros; its length may be a lie.</summary>
    public static byte[] Frame(byte first, ReadOnlySpan<byte> payload = default, long? declared = null)
    {
        long length = declared ?? payload.Length;
        byte[] header = new byte[14];
        header[0] = first;
        int size = length < 126 ? 2 : length <= ushort.MaxValue ? 4 : 10;
        header[1] = (byte)(0x80 | (size == 2 ? length : size == 4 ? 126 : 127));
        if (size == 4)
            BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(2), (ushort)length);
        else if (size == 10)
            BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(2), length);
        return [.. header.AsSpan(0, size + 4), .. payload];
    }

    public static byte[] CloseFrame(ushort code) => Frame(0x88, [(byte)(code >> 8), (byte)code]);

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_tls is not null)
        {
            await _tls.WriteAsync(bytes, _timely);
            return;
        }

        while (!bytes.IsEmpty)
            bytes = bytes[await Socket.SendAsync(bytes, _timely)..];
    }

    /// <summary>Whatever comes next; 0 at the end.</summary>
    public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => _tls?.ReadAsync(buffer, _timely) ?? Socket.ReceiveAsync(buffer, _timely);

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends unless the server has cut the connection: false.</summary>
    public async Task<bool> TrySendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await SendAsync(bytes);
            return true;
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException or IOException) // reset by the server, or by the test
        {
            return false;
        }
    }

    public async Task ShakeHandsAsync()
    {
        await SendAsync(Request);
        Assert.StartsWith("HTTP/1.1 101 ", await ReceiveHeadAsync());
    }

    /// <summary>The head of an HTTP answer.</summary>
    public async Task<string> ReceiveHeadAsync()
    {
        int end;
        while ((end = _received.AsSpan(0, _length).IndexOf("\r\n\r\n"u8)) < 0)
            await ReceiveMoreAsync();
        string head = Encoding.Latin1.GetString(_received, 0, end);
        Consume(end + 4);
        return head;
    }

    /// <summary>The next frame of the server.</summary>
    public async Task<(byte First, byte[] Payload)> ReceiveFrameAsync()
    {
        while (true)
        {
            int headerSize = _length < 2 ? 2 : _received[1] < 126 ? 2 : _received[1] == 126 ? 4 : 10;
            if (_length >= headerSize)
            {
                int payload = headerSize switch
                {
                    2 => _received[1],
                    4 => BinaryPrimitives.ReadUInt16BigEndian(_received.AsSpan(2)),
                    _ => (int)BinaryPrimitives.ReadInt64BigEndian(_received.AsSpan(2)),
                };
                if (_length >= headerSize + payload)
                {
                    (byte, byte[]) frame = (_received[0], _received.AsSpan(headerSize, payload).ToArray());
                    Consume(headerSize + payload);
                    return frame;
                }
            }

            await ReceiveMoreAsync();
        }
    }

    /// <summary>The code of the Close frame that comes next.</summary>
    public async Task<int> ReceiveCloseCodeAsync()
    {
        (byte first, byte[] payload) = await ReceiveFrameAsync();
        Assert.Equal(0x88, first);
        return BinaryPrimitives.ReadUInt16BigEndian(payload);
    }

    /// <summary>Throws away what comes until the server ends the connection, politely or not.</summary>
    public async Task ReceiveToEndAsync()
    {
        try
        {
            while (await ReceiveAsync(_received) > 0)
            {
            }
        }
        catch (Exception gone) when (gone is SocketException or IOException)
        {
            // Reset: an end as well.
        }

        _length = 0;
    }

    public async Task CloseAsync()
    {
        await SendAsync(CloseFrame(1000));
        Assert.Equal(1000, await ReceiveCloseCodeAsync());
        await ReceiveToEndAsync();
    }

    /// <summary>Ends the connection with a RST.</summary>
    public void Reset()
    {
        Socket.LingerState = new LingerOption(enable: true, seconds: 0);
        Dispose();
    }

    public void Dispose()
    {
        Socket.Dispose();
        _tls?.Dispose();
    }

    private async Task ReceiveMoreAsync()
    {
        if (_length == _received.Length)
            Array.Resize(ref _received, _length * 2);
        int count = await ReceiveAsync(_received.AsMemory(_length));
        Assert.NotEqual(0, count);
        _length += count;
    }

    private void Consume(int count)
    {
        _received.AsSpan(count, _length - count).CopyTo(_received);
        _length -= count;
    }
}
