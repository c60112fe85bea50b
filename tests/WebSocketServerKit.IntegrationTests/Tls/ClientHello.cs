using System.Buffers.Binary;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>The first message of a TLS client, byte by byte, and the server's alerts.</summary>
internal static class ClientHello
{
    // RFC 8446 6.2
    public const int DecodeError = 50;
    public const int ProtocolVersion = 70;

    private const byte AlertType = 21;

    /// <summary>A record with the hello of a client that speaks this version at most.</summary>
    public static byte[] Of(int version = 0x0303)
    {
        byte[] body =
        [
            (byte)(version >> 8), (byte)version,
            .. new byte[32], // random
            0, // session id
            0, 6, 0xC0, 0x2B, 0xC0, 0x13, 0x00, 0x2F, // cipher suites
            1, 0, // no compression
            0, 26, // extensions
            0, 10, 0, 4, 0, 2, 0, 23, // groups: P-256
            0, 11, 0, 2, 1, 0, // point formats
            0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1, // signature algorithms
        ];
        byte[] message = [1, 0, (byte)(body.Length >> 8), (byte)body.Length, .. body];
        return Record(22, message);
    }

    /// <summary>A record in the clear.</summary>
    public static byte[] Record(byte type, ReadOnlySpan<byte> fragment, int? declared = null)
    {
        byte[] header = [type, 3, 1, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(3), (ushort)(declared ?? fragment.Length));
        return [.. header, .. fragment];
    }

    /// <summary>The server refuses the hello with this alert, and ends the connection.</summary>
    public static async Task AssertAlertAsync(this TestClient client, int description)
    {
        byte[] alert = await client.ReadBytesAsync(7);
        Assert.Equal((AlertType, 2, description), (alert[0], alert[5], alert[6]));
        await client.AssertEndAsync();
    }
}
