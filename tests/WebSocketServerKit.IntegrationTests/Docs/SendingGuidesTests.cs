using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/groups.md and docs/slow-clients.md show code that compiles and does what is said.</summary>
public sealed class SendingGuidesTests
{
    [Theory]
    [InlineData("groups.md", 5)]
    [InlineData("slow-clients.md", 4)]
    public void Every_block_of_the_guides_is_compiled(string guide, int count) =>
        GuideCode.AssertIsIn($"docs/{guide}", count, "tests/WebSocketServerKit.IntegrationTests/Docs/SendingGuides.cs");

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
}
