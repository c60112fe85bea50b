using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>The value of <c>Sec-WebSocket-Accept</c>: proof that the server has read the client's <c>Sec-WebSocket-Key</c>.</summary>
internal static class SecWebSocketAccept
{
    /// <summary>The length of the value in bytes (20 bytes of SHA-1 in base64).</summary>
    public const int Length = 28;

    private const int KeyLength = 24;

    private static readonly SearchValues<char> Base64Chars =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

    /// <summary>Whether the text is a base64 form of 16 bytes.</summary>
    /// <remarks>
    /// The last of the 22 digits has four unused bits. An encoder sets them to zero (RFC 4648 3.5), but the example in RFC 6455 4.1 does not, so any value is
    /// accepted: the answer is computed from the text. Whitespace and missing padding are refused, because decoders treat them differently and no correct
    /// client sends them.
    /// </remarks>
    public static bool IsKey(ReadOnlySpan<char> text) =>
        text.Length == KeyLength
        && !text[..22].ContainsAnyExcept(Base64Chars)
        && text[22..] is "==";

    /// <summary>Writes the value that answers a key for which <see cref="IsKey"/> holds: <see cref="Length"/> bytes.</summary>
    [SuppressMessage("Security", "CA5350", Justification = "RFC 6455 asks for SHA-1, and nothing secret rests on it.")]
    public static void Write(ReadOnlySpan<char> key, Span<byte> destination)
    {
        // RFC 6455 1.3: "the server has to take the value (as present in the header field […]) and concatenate this with the Globally
        // Unique Identifier […] "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" in string form […]. A SHA-1 hash (160 bits) […], base64-encoded
        // […], of this concatenation is then returned in the server's handshake."
        ReadOnlySpan<byte> guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"u8;
        Span<byte> keyAndGuid = stackalloc byte[KeyLength + guid.Length];
        Encoding.ASCII.GetBytes(key, keyAndGuid);
        guid.CopyTo(keyAndGuid[KeyLength..]);

        Span<byte> hash = stackalloc byte[SHA1.HashSizeInBytes];
        SHA1.HashData(keyAndGuid, hash);
        System.Buffers.Text.Base64.EncodeToUtf8(hash, destination, out _, out _);
    }
}
