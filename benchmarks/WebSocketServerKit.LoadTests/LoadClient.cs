using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.LoadTests;

/// <summary>A client with nothing to it: a socket, a fixed handshake, short binary messages with a zero masking key.</summary>
internal sealed class LoadClient : IDisposable
{
    private const int PayloadSize = 64;

    private static readonly byte[] Request =
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8.ToArray();

    private static readonly byte[] Close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[512];

    public async Task ConnectAsync(int port)
    {
        await _socket.ConnectAsync(IPAddress.Loopback, port);
        await _socket.SendAsync(Request);
        int length = 0;
        while (!_buffer.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
            length += await ReceiveAsync(_buffer.AsMemory(length));
        if (!_buffer.AsSpan(0, length).StartsWith("HTTP/1.1 101"u8))
            throw new InvalidDataException("The handshake was refused.");
    }

    /// <summary>Sends a message and waits for the same bytes.</summary>
    public async Task ExchangeAsync(int number)
    {
        byte[] frame = new byte[6 + PayloadSize];
        frame[0] = 0x82;
        frame[1] = 0x80 | PayloadSize;
        frame.AsSpan(6).Fill((byte)number);
        await _socket.SendAsync(frame);
        for (int length = 0; length < 2 + PayloadSize;)
            length += await ReceiveAsync(_buffer.AsMemory(length, 2 + PayloadSize - length));
        if (_buffer[0] != 0x82 || _buffer[1] != PayloadSize || !_buffer.AsSpan(2, PayloadSize).SequenceEqual(frame.AsSpan(6)))
            throw new InvalidDataException("The echo is not what was sent.");
    }

    /// <summary>Leaves with a Close frame, and waits for the server's and for its FIN.</summary>
    public async Task CloseAsync()
    {
        await _socket.SendAsync(Close);
        for (int length = 0; length < 4;)
            length += await ReceiveAsync(_buffer.AsMemory(length));
        if (await _socket.ReceiveAsync(_buffer) != 0)
            throw new InvalidDataException("The server sent more behind its Close frame.");
    }

    /// <summary>Leaves with a RST.</summary>
    public void Cut() => _socket.LingerState = new LingerOption(enable: true, seconds: 0);

    public void Dispose() => _socket.Dispose();

    private async ValueTask<int> ReceiveAsync(Memory<byte> memory) =>
        await _socket.ReceiveAsync(memory) is > 0 and var count ? count : throw new EndOfStreamException("The server ended the connection.");
}
