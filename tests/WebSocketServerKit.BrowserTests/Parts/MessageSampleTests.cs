using System.Net.WebSockets;
using System.Text;
using Dashboard.Served;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class MessageSampleTests
{
    [Fact]
    public void A_short_message_is_whole()
    {
        MessageSample sample = Of("grüße", WebSocketMessageType.Text);
        Assert.Equal(("grüße", 7, false), (sample.Data, sample.Size, sample.IsCut));
        sample = Of("\r\n", WebSocketMessageType.Binary);
        Assert.Equal(("0d0a", 2, false), (sample.Data, sample.Size, sample.IsCut));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_long_text_is_cut_between_characters(int offset)
    {
        string text = new string('x', offset) + string.Concat(Enumerable.Repeat("🎈", 2000)); // 4 bytes each
        MessageSample sample = Of(text, WebSocketMessageType.Text);
        Assert.True(sample.IsCut);
        Assert.Equal(offset + 8000, sample.Size);
        Assert.Equal(text[..sample.Data.Length], sample.Data);
        Assert.InRange(Encoding.UTF8.GetByteCount(sample.Data), MessageSample.MaxShown - 3, MessageSample.MaxShown);
    }

    [Fact]
    public void Long_bytes_are_cut_at_the_limit()
    {
        MessageSample sample = Of(new string('x', 5000), WebSocketMessageType.Binary);
        Assert.True(sample.IsCut);
        Assert.Equal(MessageSample.MaxShown, sample.Data.Length); // digits
    }

    private static MessageSample Of(string text, WebSocketMessageType type) => MessageSample.Of(1, 1, "/", type, Encoding.UTF8.GetBytes(text), receivers: null);
}
