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

    /// <summary>The status code and the reason of a Close frame.</summary>
    public (CloseCode Code, string Reason) ReadClose()
    {
        Assert.Equal(Opcode.Close, Opcode);
        return Payload.Length == 0
            ? (CloseCode.NoStatusReceived, "")
            : ((CloseCode)BinaryPrimitives.ReadUInt16BigEndian(Payload), Encoding.UTF8.GetString(Payload.AsSpan(2)));
    }
}
