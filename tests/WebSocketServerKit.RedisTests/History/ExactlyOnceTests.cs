using System.Globalization;
using StackExchange.Redis;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.History;

public class ExactlyOnceTests
{
    private const int Publishers = 3, PerPublisher = 150, Clients = 6;

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // and the subscriptions of all nodes are cut now and then
    public async Task Clients_that_come_and_go_at_random_on_two_nodes_see_every_message_once_and_in_one_order(bool cutsSubscriptions)
    {
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode a = await HistoryNode.StartAsync(redis), b = await HistoryNode.StartAsync(redis);
        HistoryNode[] nodes = [a, b];
        HistoryOffset start;
        await using (HistoryClient first = await a.ConnectAsync())
            start = (await a.ResumeAsync(first)).Offset;

        Task<List<string>>[] clients = [.. Enumerable.Range(0, Clients).Select(i => FollowAsync(nodes, start, new Random(seed + i)))];
        Task[] publishers = [.. Enumerable.Range(0, Publishers).Select(i => PublishAsync(nodes[i % 2], i, cutsSubscriptions && i == 0))];
        await Task.WhenAll(publishers);
        List<string>[] seen = await Task.WhenAll(clients).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.All(seen, texts => Assert.Equal(seen[0], texts, StringComparer.Ordinal));
        for (int i = 0; i < Publishers; i++)
            Assert.Equal(Enumerable.Range(0, PerPublisher).Select(n => $"{i}:{n}"), seen[0].Where(text => text.StartsWith($"{i}:", StringComparison.Ordinal)), StringComparer.Ordinal);
    }

    private static async Task PublishAsync(HistoryNode node, int publisher, bool cutsSubscriptions)
    {
        for (int i = 0; i < PerPublisher; i++)
        {
            if (cutsSubscriptions && i % 60 == 30)
                await node.CutSubscriptionsAsync();
            await node.PublishAsync(string.Create(CultureInfo.InvariantCulture, $"{publisher}:{i}"));
        }
    }

    private static async Task<List<string>> FollowAsync(HistoryNode[] nodes, HistoryOffset start, Random random)
    {
        List<string> seen = [];
        HistoryOffset last = start;
        while (seen.Count < Publishers * PerPublisher)
        {
            HistoryNode node = nodes[random.Next(nodes.Length)];
            await using HistoryClient client = await node.ConnectAsync();
            Task<HistoryResume> resuming = node.ResumeAsync(client, last);
            try
            {
                for (int left = random.Next(1, 40); left > 0 && seen.Count < Publishers * PerPublisher; left--)
                {
                    Task<string> reading = client.ReadAsync();
                    if (await Task.WhenAny(reading, resuming) == resuming)
                        await resuming;
                    seen.Add(await reading);
                    Assert.Equal(last with { Number = last.Number + 1 }, client.Last);
                    last = client.Last!.Value;
                }

                if (random.Next(2) == 0)
                    client.Raw.Reset();
                Assert.Null((await resuming).Gap);
            }
            catch (RedisException)
            {
                // The subscription was cut when it began: the client is closed, and comes again with its last offset.
            }
        }

        return seen;
    }
}
