using System.Buffers;

namespace WebSocketServerKit.Transport.Tls;

public sealed class TlsRecordTests
{
    private static readonly byte[] Record = [22, 3, 3, 0, 2, 0xAA, 0xBB, 23, 3, 3];

    [Fact]
    public void The_size_of_a_record_is_known_when_its_last_byte_is_there()
    {
        for (int length = 0; length < 7; length++)
            Assert.Equal(0, TlsRecord.CompleteSize(new ReadOnlySequence<byte>(Record, 0, length)));
        Assert.Equal(7, TlsRecord.CompleteSize(new ReadOnlySequence<byte>(Record, 0, 7)));
        Assert.Equal(7, TlsRecord.CompleteSize(new ReadOnlySequence<byte>(Record)));
    }

    [Fact]
    public void An_empty_record_is_refused_in_a_handshake_and_no_error_elsewhere()
    {
        Assert.Throws<IOException>(() => TlsRecord.CompleteSize(new ReadOnlySequence<byte>((byte[])[22, 3, 3, 0, 0])));
        Assert.Equal(5, TlsRecord.CompleteSize(new ReadOnlySequence<byte>((byte[])[23, 3, 3, 0, 0])));
    }

    [Fact]
    public void A_record_that_is_longer_than_TLS_permits_is_refused_by_its_header()
    {
        Assert.Equal(0, TlsRecord.CompleteSize(new ReadOnlySequence<byte>((byte[])[23, 3, 3, 0x48, 0x00])));
        IOException refused = Assert.Throws<IOException>(() => TlsRecord.CompleteSize(new ReadOnlySequence<byte>((byte[])[23, 3, 3, 0x48, 0x01])));
        Assert.Contains("too long", refused.Message, StringComparison.Ordinal);
    }
}
