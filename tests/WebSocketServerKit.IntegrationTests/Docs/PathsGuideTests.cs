using System.Security.Claims;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/paths.md shows code that compiles and does what is said.</summary>
public sealed class PathsGuideTests
{
    [Fact]
    public void Every_block_of_the_guide_is_compiled() =>
        GuideCode.AssertIsIn("docs/paths.md", 4, "tests/WebSocketServerKit.IntegrationTests/Docs/PathsGuide.cs", "tests/WebSocketServerKit.AspNetCoreTests/Docs/PathsGuide.cs");

    [Fact]
    public void The_guide_names_every_option_of_a_path()
    {
        string[] rows = [.. Repository.Read("docs/paths.md").Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split(" | ")[0])];
        Assert.All(typeof(PathOptions).GetProperties(), option => Assert.Contains(rows, row => row.Contains($"`{option.Name}`", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_room_gets_what_one_of_it_sends()
    {
        await using TestServer server = await TestServer.StartAsync(PathsGuide.Rooms);
        using TestClient a = await server.OpenAsync("/chat/lobby");
        using TestClient b = await server.OpenAsync("/chat/lobby");
        using TestClient other = await server.OpenAsync("/chat/other");
        using TestClient news = await server.OpenAsync("/news");
        await Polling.UntilAsync(() => server.Clients.InAnyGroup("lobby", "other").Count == 3);
        await a.SendAsync("hello");
        await other.SendAsync("nobody else?");
        await news.SendAsync("x");
        Assert.Equal(("hello", "hello", "nobody else?", "This path only sends."), (await a.ReadTextAsync(), await b.ReadTextAsync(), await other.ReadTextAsync(), await news.ReadTextAsync()));
    }

    [Fact]
    public async Task Server_and_path_decide_together_about_a_client()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            PathsGuide.Users(server, new Users());
            PathsGuide.Options(server);
        });
        using TestClient admin = await server.OpenAsync("/admin?token=admin");
        using TestClient partner = await server.OpenAsync("/upload?token=partner");
        await partner.SendAsync(new byte[2 * 1024 * 1024]);
        using TestClient nobody = await TestClient.ConnectAsync(server.EndPoint);
        await nobody.WriteAsync(TestClient.Request("/admin"));
        ReceivedAnswer answer = await nobody.ReadAnswerAsync();
        Assert.Equal((403, "Administrators only."), (answer.Status, answer.Body));
        await Polling.UntilAsync(() => server.Clients.WithPath("/upload").All(client => client.MessagesReceived == 1));
    }

    private sealed class Users : PathsGuide.IUsers
    {
        public ClaimsPrincipal? Authenticate(string? token) => token is null ? null : new(new ClaimsIdentity([new Claim(ClaimTypes.Role, token)], "test"));
    }
}
