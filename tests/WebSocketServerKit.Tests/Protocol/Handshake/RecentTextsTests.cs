namespace WebSocketServerKit.Protocol.Handshake;

public sealed class RecentTextsTests
{
    private readonly RecentTexts _texts = new();

    [Theory]
    [InlineData("")]
    [InlineData("example.com:8080")]
    public void Who_says_the_same_again_gets_the_same_string(string text)
    {
        string first = _texts.Get(text.ToCharArray());
        Assert.Equal(text, first);
        Assert.Same(first, _texts.Get(text.ToCharArray()));
    }

    [Fact]
    public void Everybody_gets_what_he_said_however_many_say_something_else()
    {
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < 1000; i++)
                Assert.Equal($"host{i}", _texts.Get($"host{i}"));
        }
    }
}
