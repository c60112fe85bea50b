using CsCheck;

namespace WebSocketServerKit.Serving.Backplanes;

public class EnvelopeTests
{
    private static readonly Envelope Full = new()
    {
        Kind = EnvelopeKind.Message,
        Flags = EnvelopeFlags.Text | EnvelopeFlags.Latest,
        Request = 300,
        Sender = "node",
        Selection = new byte[] { 1, 2, 3 },
        Key = "EUR/USD é",
    };

    [Fact]
    public void What_was_written_is_read()
    {
        Assert.True(Envelope.TryRead(Full.Write("payload"u8), out Envelope read, out string? problem));
        Assert.Null(problem);
        Assert.Equal((Full.Kind, Full.Flags, Full.Request, Full.Sender, Full.Key), (read.Kind, read.Flags, read.Request, read.Sender, read.Key));
        Assert.Equal([1, 2, 3], read.Selection.ToArray());
        Assert.Equal("payload"u8, read.Payload.Span);
    }

    [Fact]
    public void Its_bytes_stay_the_same_from_release_to_release() =>
        Assert.Equal("0101AC02"[..2] + "01" + "05" + "AC02" + "04" + "6E6F6465" + "03" + "010203" + "0A" + "4555522F55534420C3A9" + "00" + "7061796C6F6164", Convert.ToHexString(Full.Write("payload"u8)));

    [Fact]
    public void What_a_later_version_adds_to_the_extension_is_skipped()
    {
        byte[] written = (Full with { Key = "" }).Write("p"u8);
        byte[] extended = [.. written[..^2], 3, 9, 9, 9, (byte)'p'];
        Assert.True(Envelope.TryRead(extended, out Envelope read, out _));
        Assert.Equal("p"u8, read.Payload.Span);
    }

    [Fact]
    public void Another_version_is_refused_by_its_number()
    {
        byte[] later = Full.Write("payload"u8);
        later[0] = 2;
        Assert.False(Envelope.TryRead(later, out _, out string? problem));
        Assert.Equal("it is of version 2, and this server knows version 1", problem);
    }

    [Fact]
    public void One_that_is_cut_off_before_its_payload_is_refused()
    {
        byte[] written = Full.Write([]);
        for (int length = 0; length < written.Length; length++)
        {
            Assert.False(Envelope.TryRead(written.AsMemory(0, length), out _, out string? problem));
            Assert.Equal("it is cut off", problem);
        }
    }

    [Fact]
    public void Any_bytes_are_read_or_refused() => Gen.Byte.Array[0, 60].Sample(bytes =>
    {
        bool isRead = Envelope.TryRead(bytes, out Envelope read, out string? problem);
        return isRead ? problem is null && read.Payload.Length < bytes.Length : problem is not null;
    });

    [Fact]
    public void A_result_is_read_as_it_was_written()
    {
        BroadcastResult result = new() { Sent = 1, Queued = 200, Replaced = 3, Dropped = int.MaxValue, Closed = 5 };
        byte[] written = Envelope.WriteResult(result);
        Assert.True(Envelope.TryReadResult(written, out BroadcastResult read));
        Assert.Equal(result, read);
        Assert.False(Envelope.TryReadResult(written.AsMemory(0, written.Length - 1), out _));
        Assert.False(Envelope.TryReadResult(new byte[] { 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 0 }, out _)); // 2^31
    }
}
