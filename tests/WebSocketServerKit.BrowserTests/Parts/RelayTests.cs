using System.Text;
using Dashboard.Served;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class RelayTests
{
    [Theory]
    [InlineData("/bob hello there", "/bob", "hello there")]
    [InlineData("/grüße hi", "/grüße", "hi")]
    [InlineData("/ x", "/", "x")]
    [InlineData("/bob ", "/bob", "")]
    public void A_text_that_begins_with_a_path_has_an_address(string message, string path, string text)
    {
        Assert.True(Relay.TryReadAddress(Encoding.UTF8.GetBytes(message), out string readPath, out ReadOnlySpan<byte> readText));
        Assert.Equal((path, text), (readPath, Encoding.UTF8.GetString(readText)));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" /bob hello")]
    [InlineData("/bob")]
    [InlineData("bob hello")]
    public void Another_has_none(string message) => Assert.False(Relay.TryReadAddress(Encoding.UTF8.GetBytes(message), out _, out _));
}
