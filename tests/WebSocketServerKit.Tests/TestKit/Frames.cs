using System.Buffers.Binary;
using System.Text;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.TestKit;

/// <summary>Frames as clients send them, built straight from RFC 6455 5.2 without the code under test; broken ones too.</summary>
internal static class Frames
{
    /// <summary>The masking key of the examples in RFC 6455 5.7, used where a test names no other.</summary>
    public static readonly byte[] Key = [0x37, 0xFA, 0x21, 0x3D];

    public static byte[] Text(string payload, bool fin = true) => Frame(Opcode.Text, Encoding.UTF8.GetBytes(payload), fin);

    public static byte[] Text(ReadOnlySpan<byte> payload, bool fin = true) => Frame(Opcode.Text, payload, fin);

    public static byte[] Binary(ReadOnlySpan<byte> payload, bool fin = true) => Frame(Opcode.Binary, payload, fin);

    public static byte[] Continuation(string payload, bool fin = true) => Frame(Opcode.Continuation, Encoding.UTF8.GetBytes(payload), fin);

    public static byte[] Continuation(ReadOnlySpan<byte> payload, bool fin = true) => Frame(Opcode.Continuation, payload, fin);

    public static byte[] Ping(string payload = "") => Frame(Opcode.Ping, Encoding.UTF8.GetBytes(payload));

    public static byte[] Pong(string payload = "") => Frame(Opcode.Pong, Encoding.UTF8.GetBytes(payload));

    /// <summary>A Close frame without a body.</summary>
    public static byte[] Close() => Frame(Opcode.Close, []);

    public static byte[] Close(int code, string reason = "") => Frame(Opcode.Close, ClosePayload(code, Encoding.UTF8.GetBytes(reason)));

    public static byte[] ClosePayload(int code, ReadOnlySpan<byte> reason = default) => [(byte)(code >> 8), (byte)code, .. reason];

    /// <summary>Any frame, right or wrong.</summary>
    /// <param name="opcode">The opcode's four bits.</param>
    /// <param name="payload">What follows the header, before masking.</param>
    /// <param name="fin">The FIN bit.</param>
    /// <param name="reserved">RSV1, RSV2, RSV3 as 4, 2, 1.</param>
    /// <param name="key">The masking key, or null for <see cref="Key"/>.</param>
    /// <param name="masked">False leaves out the mask bit, the key and the masking.</param>
    /// <param name="declared">The length that the header tells, or null for the payload's.</param>
    /// <param name="lengthBytes">The bytes of the extended length: 0, 2 or 8; null for the fewest.</param>
    public static byte[] Frame(
        Opcode opcode, ReadOnlySpan<byte> payload, bool fin = true, int reserved = 0, byte[]? key = null, bool masked = true,
        ulong? declared = null, int? lengthBytes = null)
    {
        ulong length = declared ?? (ulong)payload.Length;
        int extended = lengthBytes ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8);
        byte[] bigEndian = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bigEndian, length);
        byte first = (byte)((fin ? 0x80 : 0) | (reserved << 4) | (int)opcode);
        byte second = (byte)((masked ? 0x80 : 0) | (extended == 0 ? (int)length : extended == 2 ? 126 : 127));
        byte[] header = [first, second, .. bigEndian.AsSpan(8 - extended)];
        if (!masked)
            return [.. header, .. payload];

        key ??= Key;
        byte[] frame = [.. header, .. key, .. payload];
        Span<byte> maskedPayload = frame.AsSpan(header.Length + key.Length);
        for (int i = 0; i < maskedPayload.Length; i++)
            maskedPayload[i] ^= key[i % 4];
        return frame;
    }

    public static byte[] Join(params IEnumerable<byte[]> frames) => [.. frames.SelectMany(frame => frame)];

    /// <summary>The bytes in pieces that begin at the given places.</summary>
    public static byte[][] Cut(byte[] bytes, params IEnumerable<int> places)
    {
        int[] ends = [0, .. places.Order(), bytes.Length];
        return [.. ends.Zip(ends.Skip(1), (from, to) => bytes[from..to])];
    }

    public static byte[][] CutEverywhere(byte[] bytes) => [.. bytes.Select(octet => new[] { octet })];
}
