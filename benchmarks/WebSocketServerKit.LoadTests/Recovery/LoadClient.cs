using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using WebSocketServerKit.LoadTests.Client;

namespace WebSocketServerKit.LoadTests.Recovery;

/// <summary>A client with nothing to it: a socket, a fixed handshake, short binary messages with a zero masking key.</summary>
internal sealed class LoadClient : IDisposable
{
    private const int PayloadSize = 64;

    private static readonly byte[] Close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];

    private static readonly byte[] Ping = [0x89, 0x84, 0, 0, 0, 0, 1, 2, 3, 4];

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _buffer = new byte[512];

    public async Task ConnectAsync(int port)
    {
        await _socket.ConnectAsync(IPAddress.Loopback, port);
        await _socket.SendAsync(Handshake.Request);
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

    /// <summary>Sends a message whose handler sleeps so long, and waits for the answer: of an <see cref="EchoChild"/>.</summary>
    public async Task SleepAsync(TimeSpan time)
    {
        byte[] text = Encoding.ASCII.GetBytes(time.TotalMilliseconds.ToString(CultureInfo.InvariantCulture));
        await SendAsync((byte[])[0x81, (byte)(0x80 | text.Length), 0, 0, 0, 0, .. text]);
        (byte first, byte[] payload) = await ReceiveFrameAsync(slowly: false);
        if (first != 0x81 || !payload.AsSpan().SequenceEqual(text))
            throw new InvalidDataException("The echo is not what was sent.");
    }

    /// <summary>Sends some of a handshake, then leaves with a RST.</summary>
    public async Task CutInHandshakeAsync(int port, Random random)
    {
        await _socket.ConnectAsync(IPAddress.Loopback, port);
        await _socket.SendAsync(Handshake.Request.AsMemory(0, random.Next(Handshake.Request.Length)));
        Cut();
    }

    /// <summary>Sends a message of random bytes, behind a ping if wanted, and waits for it to come back, at leisure if wanted. False if something else comes back.</summary>
    public async Task<bool> ExchangeAsync(int size, bool ping, bool slowly, Random random)
    {
        byte[] frame = Frame(size, out int headerSize);
        random.NextBytes(frame.AsSpan(headerSize));
        if (ping)
            await SendAsync(Ping);
        Task sending = SendAsync(frame);
        (byte first, byte[] payload) = await ReceiveFrameAsync(slowly);
        while (first == 0x8A) // a pong may come before and after what was sent behind its ping
            (first, payload) = await ReceiveFrameAsync(slowly);
        await sending;
        return first == 0x82 && payload.AsSpan().SequenceEqual(frame.AsSpan(headerSize));
    }

    /// <summary>Sends messages and reads none of the answers; stops where the server takes no more.</summary>
    public async Task FloodAsync(int messages, int size)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(2));
        byte[] frame = Frame(size, out _);
        try
        {
            for (int i = 0; i < messages; i++)
            {
                for (int sent = 0; sent < frame.Length;)
                    sent += await _socket.SendAsync(frame.AsMemory(sent), patience.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Both directions are full: as it should be.
        }
    }

    /// <summary>Reads until the server ends the connection.</summary>
    public async Task ReadToEndAsync()
    {
        while (await _socket.ReceiveAsync(_buffer) > 0)
        {
        }
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await _socket.SendAsync(bytes)..];
    }

    /// <summary>Leaves with a Close frame, and waits for the server's and for its FIN.</summary>
    public async Task CloseAsync()
    {
        await _socket.SendAsync(Close);
        while ((await ReceiveFrameAsync(slowly: false)).First != 0x88)
        {
            // What was still on its way.
        }

        if (await _socket.ReceiveAsync(_buffer) != 0)
            throw new InvalidDataException("The server sent more behind its Close frame.");
    }

    /// <summary>Leaves with a RST.</summary>
    public void Cut() => _socket.LingerState = new LingerOption(enable: true, seconds: 0);

    public void Dispose() => _socket.Dispose();

    // A binary message with a payload of zeros and a key of zeros.
    private static byte[] Frame(int size, out int headerSize)
    {
        headerSize = size < 126 ? 6 : size <= ushort.MaxValue ? 8 : 14;
        byte[] frame = new byte[headerSize + size];
        frame[0] = 0x82;
        frame[1] = (byte)(0x80 | (headerSize == 6 ? size : headerSize == 8 ? 126 : 127));
        if (headerSize == 8)
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(2), (ushort)size);
        else if (headerSize == 14)
            BinaryPrimitives.WriteInt64BigEndian(frame.AsSpan(2), size);
        return frame;
    }

    private async Task<(byte First, byte[] Payload)> ReceiveFrameAsync(bool slowly)
    {
        await ReceiveExactlyAsync(_buffer.AsMemory(0, 2), slowly);
        (byte first, int length) = (_buffer[0], _buffer[1]);
        if (length == 126)
        {
            await ReceiveExactlyAsync(_buffer.AsMemory(0, 2), slowly);
            length = BinaryPrimitives.ReadUInt16BigEndian(_buffer);
        }
        else if (length == 127)
        {
            await ReceiveExactlyAsync(_buffer.AsMemory(0, 8), slowly);
            length = checked((int)BinaryPrimitives.ReadInt64BigEndian(_buffer));
        }

        byte[] payload = new byte[length];
        await ReceiveExactlyAsync(payload, slowly);
        return (first, payload);
    }

    private async Task ReceiveExactlyAsync(Memory<byte> memory, bool slowly)
    {
        while (!memory.IsEmpty)
        {
            memory = memory[await ReceiveAsync(slowly ? memory[..Math.Min(memory.Length, 16 * 1024)] : memory)..];
            if (slowly)
                await Task.Delay(1);
        }
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> memory) =>
        await _socket.ReceiveAsync(memory) is > 0 and var count ? count : throw new EndOfStreamException("The server ended the connection.");
}
