using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>What docs/rooms.md shows compiles and works.</summary>
public sealed class RoomsGuideTests
{
    [Fact]
    public void Each_block_of_code_is_code_of_these_tests() =>
        GuideCode.AssertIsIn("docs/rooms.md", 4, "tests/WebSocketServerKit.IntegrationTests/Docs/RoomsGuide.cs");

    [Fact]
    public async Task Who_is_in_a_room_hears_who_comes_what_is_said_and_who_leaves()
    {
        await using TestServer server = await TestServer.StartAsync(RoomsGuide.Rooms);
        (TestClient ann, _) = await server.ConnectAsync("/rooms/lobby?name=Ann");
        using TestClient elsewhere = await server.OpenAsync("/rooms/hall?name=Cid");
        await server.NextClientAsync();
        using TestClient bob = await server.OpenAsync("/rooms/lobby?name=Bob");
        Assert.Equal("Bob has come", await ann.ReadTextAsync());
        await ann.SendAsync("hello");
        Assert.Equal("Ann: hello", await bob.ReadTextAsync());
        ann.Dispose();
        Assert.Equal("Ann has left", await bob.ReadTextAsync());
        await elsewhere.SendAsync("anybody?");
        Assert.Equal("Cid: anybody?", await elsewhere.ReadTextAsync());
    }

    [Fact]
    public async Task Who_tells_no_name_is_refused()
    {
        await using TestServer server = await TestServer.StartAsync(RoomsGuide.Rooms);
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request("/rooms/lobby"));
        Assert.Equal(HttpStatusCode.BadRequest, (HttpStatusCode)(await client.ReadAnswerAsync()).Status);
    }

    [Fact]
    public async Task A_room_tells_its_members_who_is_there()
    {
        await using TestServer server = await TestServer.StartAsync();
        Room room = new(server.Server, "lobby");
        (TestClient ann, WebSocketClient first) = await server.ConnectAsync();
        first.State = "Ann";
        room.Enter(first);
        Assert.Equal("""{"Room":"lobby","Names":["Ann"]}""", await ann.ReadTextAsync());
        (TestClient bob, WebSocketClient second) = await server.ConnectAsync();
        second.State = "Bob";
        room.Enter(second);
        Assert.Equal("""{"Room":"lobby","Names":["Ann","Bob"]}""", await ann.ReadTextAsync());
        Assert.Equal("""{"Room":"lobby","Names":["Ann","Bob"]}""", await bob.ReadTextAsync());
        ann.Dispose();
        await server.NextEndAsync();
        room.TellWhoIsHere();
        Assert.Equal("""{"Room":"lobby","Names":["Bob"]}""", await bob.ReadTextAsync());
        bob.Dispose();
    }

    [Fact]
    public async Task A_user_is_online_from_the_first_window_to_the_last()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Handshaking += (_, e) => e.UserId = e.Request.Query["user"]);
        using var stopping = new CancellationTokenSource();
        Task telling = RoomsGuide.TellWhoIsOnlineAsync(server.Server, stopping.Token);
        using TestClient ann = await server.OpenAsync("/?user=ann");
        Assert.Equal("online: ann", await ann.ReadTextAsync());
        using TestClient bob = await server.OpenAsync("/?user=bob");
        Assert.Equal("online: ann, bob", await bob.ReadTextAsync());
        Assert.Equal("bob is online", await ann.ReadTextAsync());
        using TestClient second = await server.OpenAsync("/?user=bob");
        Assert.Equal("online: ann, bob", await second.ReadTextAsync());
        bob.Dispose();
        await server.NextEndAsync();
        second.Dispose();
        Assert.Equal("bob is offline", await ann.ReadTextAsync());
        await stopping.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => telling).Timely();
    }
}
