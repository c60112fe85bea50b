using System.Buffers;
using System.Buffers.Binary;

namespace WebSocketServerKit.Transport.Tls;

/// <summary>The framing of TLS records (RFC 8446 5.1): one byte of content type, two of version, two of length, then the fragment.</summary>
internal static class TlsRecord
{
    /// <summary>The content type of records of the TLS handshake. A TLS client's first byte.</summary>
    public const byte Handshake = 22;

    private const int HeaderSize = 5;

    // RFC 5246 6.2.3: "The length MUST NOT exceed 2^14 + 2048." TLS 1.3 permits less.
    private const int LargestFragment = (1 << 14) + 2048;

    /// <summary>The largest record in bytes.</summary>
    public const int MaxSize = HeaderSize + LargestFragment;

    /// <summary>The size of the first record, which must be complete.</summary>
    /// <returns>Its bytes with the header; 0 if the record is not complete.</returns>
    /// <exception cref="IOException">The record is larger than TLS permits, so it would never be complete, or is empty where it must not be.</exception>
    public static int CompleteSize(in ReadOnlySequence<byte> bytes)
    {
        if (bytes.Length < HeaderSize)
            return 0;
        Span<byte> header = stackalloc byte[HeaderSize];
        bytes.Slice(0, HeaderSize).CopyTo(header);
        int size = HeaderSize + BinaryPrimitives.ReadUInt16BigEndian(header[3..]);
        // RFC 8446 5.1: "Implementations MUST NOT send zero-length fragments of Handshake types". SslStream takes it for granted that there are none.
        if (size == HeaderSize && header[0] == Handshake)
            throw new IOException("the peer sent an empty TLS handshake record");
        if (size > MaxSize)
            throw new IOException("the peer sent a TLS record that is too long");
        return bytes.Length >= size ? size : 0;
    }
}
