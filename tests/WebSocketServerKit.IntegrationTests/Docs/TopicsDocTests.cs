using WebSocketServerKit.Contract;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>What docs/topics.md shows compiles and works.</summary>
public class TopicsDocTests
{
    [Fact]
    public void Each_block_of_code_is_code_of_these_tests() =>
        GuideCode.AssertIsIn("docs/topics.md", 5, "tests/WebSocketServerKit.IntegrationTests/Docs/TopicsDoc.cs");

    // The rows of the table: | `filter` | `topic`, … | `topic`, … |
    [Fact]
    public async Task Each_filter_matches_what_the_table_says()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        string[][] rows = [.. Repository.Read("docs/topics.md").Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('|'))];
        Assert.True(rows.Length >= 6);
        foreach (string[] row in rows)
        {
            string filter = Assert.Single(Topics(row[1]));
            Assert.True(client.Subscribe(filter));
            Assert.All(Topics(row[2]), topic => Assert.Contains(client, server.Clients.SubscribedTo(topic)));
            Assert.All(Topics(row[3]), topic => Assert.DoesNotContain(client, server.Clients.SubscribedTo(topic)));
            client.Unsubscribe(filter);
        }

        raw.Dispose();

        static string[] Topics(string cell) => [.. cell.Split('`').Where((_, i) => i % 2 == 1)];
    }

    [Fact]
    public async Task A_topic_is_broadcast_to_those_who_have_subscribed()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        (TestClient otherRaw, WebSocketClient other) = await server.ConnectAsync();
        TopicsDoc.Topics(server.Server, client, "1.08");
        Assert.Equal("1.08", await raw.ReadTextAsync());
        other.Subscribe("prices/#");
        other.AddTag("trader");
        Assert.Equal(["news/#", "prices/EURUSD"], TopicsDoc.Narrowed(server.Server, client, "1.09").Order(StringComparer.Ordinal), StringComparer.Ordinal);
        Assert.Equal("1.09", await otherRaw.ReadTextAsync());
        raw.Dispose();
        otherRaw.Dispose();
    }

    [Theory]
    [InlineData("prices/EURUSD", "subscribed")]
    [InlineData("prices/#", "subscribed")]
    [InlineData("#", "refused")]
    [InlineData("+/EURUSD", "refused")]
    [InlineData("prices/#/x", "refused")]
    public async Task A_client_subscribes_to_what_it_may(string filter, string answer)
    {
        await using TestServer server = await TestServer.StartAsync(TopicsDoc.ChosenByClients);
        using TestClient client = await server.OpenAsync();
        await client.SendAsync(filter);
        Assert.Equal(answer, await client.ReadTextAsync());
    }

    [Fact]
    public async Task A_watch_tells_and_ends()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using var stopping = new CancellationTokenSource();
        Task watching = TopicsDoc.WatchAsync(server.Server, stopping.Token);
        Assert.True(server.Clients.IsWatched);
        await stopping.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching).Timely();
        Assert.False(server.Clients.IsWatched);
    }

    [Fact]
    public async Task A_window_shows_the_clients_until_it_closes()
    {
        using var window = new SingleThread();
        await using TestServer server = await TestServer.StartEchoAsync(options => options.EventContext = window);
        TopicsDoc.Window(server.Server);
        Assert.False(server.Clients.IsWatched);
    }
}
