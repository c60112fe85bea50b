using System.Text.RegularExpressions;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/groups.md and docs/slow-clients.md show code that compiles and does what is said.</summary>
public sealed partial class SendingGuidesTests
{
    [GeneratedRegex("```csharp\n(?<code>.*?)\n```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Block { get; }

    [Theory]
    [InlineData("groups.md", 5)]
    [InlineData("slow-clients.md", 4)]
    public void Every_block_of_the_guides_is_compiled(string guide, int count)
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "docs", guide)))
            root = Path.GetDirectoryName(root.TrimEnd(Path.DirectorySeparatorChar)) ?? throw new DirectoryNotFoundException($"There is no docs/{guide} above the test.");
        string code = WithoutIndent(Read("tests", "WebSocketServerKit.IntegrationTests", "Docs", "SendingGuides.cs"));
        MatchCollection blocks = Block.Matches(Read("docs", guide));
        Assert.Equal(count, blocks.Count);
        Assert.All(blocks, block => Assert.Contains(WithoutIndent(block.Groups["code"].Value), code, StringComparison.Ordinal));

        string Read(params string[] path) => File.ReadAllText(Path.Combine([root, .. path])).ReplaceLineEndings("\n");
    }

    [Fact]
    public async Task A_lobby_forwards_to_the_others_and_hears_who_has_left()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            SendingGuides.Lobby(server);
            SendingGuides.Farewell(server);
            SendingGuides.Latest(server);
            SendingGuides.GiveUp(server);
            SendingGuides.Buffers(server);
        });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        using (TestClient other = await server.OpenAsync())
        {
            Assert.Contains("EURUSD", await raw.ReadTextAsync(), StringComparison.Ordinal);
            Assert.Contains("EURUSD", await other.ReadTextAsync(), StringComparison.Ordinal);
            await other.SendAsync("hello");
            Assert.Equal("hello", await raw.ReadTextAsync());
            Assert.Equal((true, true, false, 1, 1), SendingGuides.Membership(server.Server, client));
            Assert.False(SendingGuides.Tags(server.Server, client));
            Assert.Equal("Guten Tag", await raw.ReadTextAsync());
            other.Dispose();
            Assert.Equal(" has left", await raw.ReadTextAsync());
            await SendingGuides.UsersAsync(server.Server);
        }
    }

    [Fact]
    public async Task The_policies_are_those_of_the_options() => Assert.Equal(SlowClientPolicy.DropOldest, await SendingGuides.PoliciesAsync());

    private static string WithoutIndent(string code) => string.Join('\n', code.Split('\n').Select(line => line.Trim()));
}
