using System.Net.WebSockets;
using System.Text;
using System.Text.RegularExpressions;
using Guides;
using Microsoft.Extensions.Configuration;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/chat.md and docs/chat-service.md show code that compiles, configurations that bind, and a room that works.</summary>
public sealed partial class ChatGuideTests
{
    [Theory]
    [InlineData("chat.md", 2)]
    [InlineData("chat-service.md", 2)]
    public void Every_block_of_the_guides_is_compiled(string guide, int count) =>
        GuideCode.AssertIsIn($"docs/{guide}", count, "tests/WebSocketServerKit.HostingTests/Docs/ChatGuide.cs");

    [Fact]
    public void The_configurations_have_no_problem()
    {
        string[] blocks = [.. Json.Matches(Repository.Read("docs/chat.md")).Select(block => block.Groups["code"].Value)];
        Assert.Equal(2, blocks.Length);
        Assert.All(blocks, block =>
        {
            using MemoryStream stream = new(Encoding.UTF8.GetBytes(block));
            IConfigurationSection section = new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("Chat");
            Assert.Empty(ConfigurationCheck.Find(section, allowsUnknownKeys: false));
            ServerSetup setup = new("chat") { Section = section };
            WebSocketServerOptions options = new();
            setup.Bind(options);
            Assert.True(setup.Validate("chat", options).Succeeded);
        });
    }

    // What the tests of docs/proxies.md run.
    [Fact]
    public void Nginx_is_configured_as_in_the_guide_to_proxies()
    {
        string[] lines = Location(Repository.Read("docs/proxies.md"));
        Assert.True(lines.Length > 8);
        Assert.Equal(lines, Location(Repository.Read("docs/chat.md").Replace("http://chat;", "http://SERVER_ADDRESS;", StringComparison.Ordinal)), StringComparer.Ordinal);

        static string[] Location(string guide) =>
            [.. guide[guide.IndexOf("    location / {", StringComparison.Ordinal)..].Split('\n').TakeWhile(line => line.Trim() != "}").Select(line => line.Trim())];
    }

    [Fact]
    public async Task Who_is_in_a_room_hears_who_comes_what_is_said_and_who_leaves()
    {
        await using TestHost host = await TestHost.StartAsync(server => server.Path("/rooms/{room}").AddHandler<RoomHandler>());
        using ClientWebSocket ann = await host.ConnectAsync("/rooms/lobby?name=Ann");
        Assert.Equal("Ann has come", await ann.ReceiveAsync());
        using ClientWebSocket guest = await host.ConnectAsync("/rooms/lobby");
        string came = await guest.ReceiveAsync();
        Assert.Matches("^guest [0-9]+ has come$", came);
        Assert.Equal(came, await ann.ReceiveAsync());
        await ann.SendAsync("hello");
        Assert.Equal("Ann: hello", await guest.ReceiveAsync());
        ann.Abort();
        Assert.Equal("Ann has left", await guest.ReceiveAsync());
    }

    [GeneratedRegex("```json\n(?<code>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Json { get; }
}
