using WebSocketServerKit.Testing;
using WebSocketServerKit.TestKit;
using TestClient = WebSocketServerKit.Testing.TestClient;

namespace WebSocketServerKit.Clients;

/// <summary>What a client tells about its path.</summary>
public sealed class WebSocketClientPathsTests
{
    [Fact]
    public async Task It_has_its_path_and_the_values_also_after_it_has_left()
    {
        await using TestServer server = await TestServer.StartAsync();
        WebSocketPath path = server.Server.Path("/chat/{room}/{*rest}");
        await using TestClient raw = await server.Server.ConnectAsync("/chat/caf%C3%A9%2F1/a/b?x=1");
        await raw.CloseAsync();
        WebSocketClient client = raw.ServerSide;
        Assert.Same(path, client.MatchedPath);
        Assert.Equal(("café%2F1", "a/b"), (client.PathValues["room"], client.PathValues["rest"]));
        Assert.Equal("/chat/café%2F1/a/b", client.Path);
    }

    [Fact]
    public async Task Without_paths_it_has_none_and_keeps_that_when_some_are_added()
    {
        await using TestServer server = await TestServer.StartAsync();
        await using TestClient first = await server.Server.ConnectAsync("/chat");
        WebSocketPath path = server.Server.Path("/chat");
        Assert.Null(first.ServerSide.MatchedPath);
        Assert.Empty(first.ServerSide.PathValues);
        Assert.Empty(path.Clients);
        await using TestClient second = await server.Server.ConnectAsync("/chat");
        Assert.Same(path, second.ServerSide.MatchedPath);
        Assert.Empty(second.ServerSide.PathValues);
        Assert.Same(second.ServerSide, Assert.Single(path.Clients));
        Assert.Equal(2, server.Clients.Count);
    }
}
