using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

/// <summary>What a client tells about its path.</summary>
public sealed class WebSocketClientPathsTests
{
    [Fact]
    public async Task It_has_its_path_and_the_values_also_after_it_has_left()
    {
        await using TestServer server = await TestServer.StartAsync();
        WebSocketPath path = server.Server.Path("/chat/{room}/{*rest}");
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync("/chat/caf%C3%A9%2F1/a/b?x=1");
        using (raw)
            await raw.LeaveAsync();
        Assert.Same(client, (await server.NextEndAsync()).Client);
        Assert.Same(path, client.MatchedPath);
        Assert.Equal(("café%2F1", "a/b"), (client.PathValues["room"], client.PathValues["rest"]));
        Assert.Equal("/chat/café%2F1/a/b", client.Path);
    }

    [Fact]
    public async Task Without_paths_it_has_none_and_keeps_that_when_some_are_added()
    {
        await using TestServer server = await TestServer.StartAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync("/chat");
        using TestClient open = raw;
        WebSocketPath path = server.Server.Path("/chat");
        Assert.Null(client.MatchedPath);
        Assert.Empty(client.PathValues);
        Assert.Empty(path.Clients);
        (TestClient later, WebSocketClient second) = await server.ConnectAsync("/chat");
        using TestClient alsoOpen = later;
        Assert.Same(path, second.MatchedPath);
        Assert.Empty(second.PathValues);
        Assert.Same(second, Assert.Single(path.Clients));
        Assert.Equal(2, server.Clients.Count);
    }
}
