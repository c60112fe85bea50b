using System.Text;

namespace WebSocketServerKit.Serving.Backplanes;

public class NameEncodingTests
{
    private static byte[] Write(string name)
    {
        byte[] bytes = new byte[NameEncoding.SizeOf(name)];
        Assert.Equal(bytes.Length, NameEncoding.Write(name, bytes));
        return bytes;
    }

    [Theory]
    [InlineData("")]
    [InlineData("lobby")]
    [InlineData("é€\0")]
    [InlineData("\U0001F600a\U0001F600")]
    public void A_name_that_is_text_is_UTF8(string name)
    {
        Assert.Equal(Encoding.UTF8.GetBytes(name), Write(name));
        Assert.Equal(name, NameEncoding.Read(Write(name)));
    }

    [Fact]
    public void Names_that_are_no_text_stay_different()
    {
        foreach (string name in (string[])["\uD83D", "\uDE00", "\uFFFD", "a\uD83D", "\uD83Da", "\uDE00\uD83D", "\uD83D\uD83D\uDE00", "\uD83D\uDE00\uD83D"])
            Assert.Equal(name, NameEncoding.Read(Write(name)), StringComparer.Ordinal);
    }

    [Fact]
    public void Damaged_bytes_are_some_name()
    {
        Assert.Equal("", NameEncoding.Read([0xFF]));
        Assert.Equal("a", NameEncoding.Read([0xFF, (byte)'a', 0, 1]));
        Assert.Equal("\uFFFD", NameEncoding.Read([0x80]));
    }
}
