using System.Buffers.Binary;
using System.Text;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.TestKit;

/// <summary>A frame that the server sent.</summary>
/// <param name="Opcode">The opcode.</param>
/// <param name="Payload">What follows the header.</param>
/// <param name="Rsv1">Whether it begins a compressed message.</param>
/// <param name="Fin">Whether it ends its message.</param>
internal sealed record SentFrame(Opcode Opcode, byte[] Payload, bool Rsv1, bool Fin)
{
    public string Text => Encoding.UTF8.GetString(Payload);

    public override string ToString() => (Rsv1 ? $"compressed {Opcode} {Convert.ToHexString(Payload)}" : $"{Opcode} {Text}") + (Fin ? "" : "…");
}

/// <summary>What a client sends, and what it reads from the bytes of the server.</summary>
internal static class Wire
{
    public const string Request =
        "GET /chat?room=1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

    public static byte[] Text(string text) => ClientFrame(Opcode.Text, Encoding.UTF8.GetBytes(text));

    public static byte[] Close(int code, string reason = "")
    {
        byte[] payload = new byte[2 + Encoding.UTF8.GetByteCount(reason)];
        BinaryPrimitives.WriteUInt16BigEndian(payload, (ushort)code);
        Encoding.UTF8.GetBytes(reason, payload.AsSpan(2));
        return ClientFrame(Opcode.Close, payload);
    }

    public static byte[] ClientFrame(Opcode opcode, ReadOnlySpan<byte> payload, bool fin = true)
    {
        ReadOnlySpan<byte> key = [0x37, 0xfa, 0x21, 0x3d];
        byte[] frame = new byte[FrameHeaderWriter.SizeFor(payload.Length) + key.Length + payload.Length];
        int header = FrameHeaderWriter.Write(frame, opcode, payload.Length, fin);
        frame[1] |= 0x80;
        key.CopyTo(frame.AsSpan(header));
        for (int i = 0; i < payload.Length; i++)
            frame[header + 4 + i] = (byte)(payload[i] ^ key[i & 3]);
        return frame;
    }

    /// <summary>The frames of a server's bytes, which have to be whole and not masked.</summary>
    public static IReadOnlyList<SentFrame> Parse(ReadOnlySpan<byte> bytes)
    {
        List<SentFrame> frames = [];
        while (!bytes.IsEmpty)
        {
            Assert.Equal(0, bytes[1] & 0x80);
            Assert.Equal(0, bytes[0] & 0x30);
            int header = (bytes[1] & 0x7F) switch { 127 => 10, 126 => 4, _ => 2 };
            int length = header switch
            {
                10 => checked((int)BinaryPrimitives.ReadUInt64BigEndian(bytes[2..])),
                4 => BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
                _ => bytes[1],
            };
            frames.Add(new SentFrame((Opcode)(bytes[0] & 0x0F), bytes.Slice(header, length).ToArray(), (bytes[0] & 0x40) != 0, (bytes[0] & 0x80) != 0));
            bytes = bytes[(header + length)..];
        }

        return frames;
    }

    public static (CloseCode Code, string Reason) CloseOf(SentFrame frame)
    {
        Assert.Equal(Opcode.Close, frame.Opcode);
        return frame.Payload.Length == 0
            ? (CloseCode.NoStatusReceived, "")
            : ((CloseCode)BinaryPrimitives.ReadUInt16BigEndian(frame.Payload), Encoding.UTF8.GetString(frame.Payload.AsSpan(2)));
    }
}
