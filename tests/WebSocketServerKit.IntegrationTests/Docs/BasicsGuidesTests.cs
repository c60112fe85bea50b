using Guides;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/events.md, docs/connections.md, docs/aspnetcore.md and the README show code that compiles.</summary>
public sealed class BasicsGuidesTests
{
    [Theory]
    [InlineData("docs/events.md", "IntegrationTests/Docs/BasicsGuides.cs")]
    [InlineData("docs/connections.md", "IntegrationTests/Docs/BasicsGuides.cs")]
    [InlineData("docs/aspnetcore.md", "AspNetCoreTests/Docs/MappingGuide.cs")]
    [InlineData("README.md", "IntegrationTests/Docs/Readme.cs")]
    public void Its_block_of_code_is_compiled(string guide, string file) => GuideCode.AssertIsIn(guide, 1, $"tests/WebSocketServerKit.{file}");

    [Fact]
    public async Task A_handler_that_has_let_the_client_go_on_gets_its_next_message()
    {
        await using TestServer server = await TestServer.StartAsync(BasicsGuides.Ask);
        (TestClient client, _) = await server.ConnectAsync();
        foreach (string order in (string[])["apples", "pears"])
        {
            await client.SendAsync(order);
            Assert.Equal("How many?", await client.ReadTextAsync());
            await client.SendAsync("3");
            Assert.Equal($"{order}: 3", await client.ReadTextAsync());
        }

        client.Dispose();
    }
}
