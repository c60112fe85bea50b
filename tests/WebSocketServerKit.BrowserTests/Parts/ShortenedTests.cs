using Dashboard.Served;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class ShortenedTests
{
    [Fact]
    public void What_is_short_stays()
    {
        string path = new('p', 100);
        Assert.Same(path, Shortened.Path(path));
        Assert.Same(path, Shortened.Agent(path));
    }

    [Fact]
    public void A_long_path_keeps_its_beginning_and_its_end()
    {
        string shortened = Shortened.Path($"/devices/{new string('p', 7000)}/17");
        Assert.Equal(100, shortened.Length);
        Assert.StartsWith("/devices/ppp", shortened, StringComparison.Ordinal);
        Assert.Contains("ppp…ppp", shortened, StringComparison.Ordinal);
        Assert.EndsWith("ppp/17", shortened, StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_user_agent_keeps_its_beginning()
    {
        string shortened = Shortened.Agent($"Sensor/2.1 {new string('x', 7000)}");
        Assert.Equal(100, shortened.Length);
        Assert.StartsWith("Sensor/2.1 xxx", shortened, StringComparison.Ordinal);
        Assert.EndsWith("xxx…", shortened, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void No_character_is_cut_in_two(int offset)
    {
        string text = new string('x', offset) + string.Concat(Enumerable.Repeat("🎈", 200));
        Assert.All([Shortened.Path(text), Shortened.Agent(text)], shortened =>
        {
            Assert.InRange(shortened.Length, 98, 100);
            Assert.All(shortened.Split('…'), part => Assert.Equal(part, System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(part))));
        });
    }
}
