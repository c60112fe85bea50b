using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.History;

public class SlowClientTests
{
    private const int Count = 150;
    private static readonly string Filling = new('.', 60_000);

    [Theory]
    [InlineData(SlowClientPolicy.Wait)]
    [InlineData(SlowClientPolicy.DropNewest)]
    public async Task A_client_that_does_not_read_holds_up_no_other_and_gets_everything_when_it_reads(SlowClientPolicy policy)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, serverOptions: new() { SlowClients = policy, SendQueueLimit = 128 * 1024 });
        await using HistoryClient slow = await node.ConnectAsync(receiveBuffer: 4096), quick = await node.JoinAsync();
        await node.ResumeAsync(slow);
        Task reading = ReadAsync(quick, 1);
        await PublishAsync(node);
        await reading;
        Assert.True(slow.Client.MessagesSent < Count);
        await ReadAsync(slow, 1);
        await node.PublishAsync($"{Count + 1}");
        Assert.Equal($"{Count + 1}", await slow.ReadAsync());
    }

    [Fact]
    public async Task A_client_that_reads_slower_than_the_stream_forgets_is_told_of_the_gap()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, new() { MaxMessages = 5 }, new() { SendQueueLimit = 128 * 1024 });
        await using HistoryClient slow = await node.ConnectAsync(receiveBuffer: 4096);
        await node.ResumeAsync(slow);
        await PublishAsync(node);
        int next = 1;
        bool hasGap = false;
        while (next <= Count)
        {
            string text = await slow.ReadAsync();
            if (text.StartsWith("gap ", StringComparison.Ordinal))
            {
                int[] gap = [.. text[4..].Split('-').Select(int.Parse)];
                Assert.Equal(next, gap[0]);
                next = gap[1] + 1;
                hasGap = true;
            }
            else
            {
                Assert.Equal($"{next++}", text.TrimEnd('.'));
            }
        }

        Assert.True(hasGap);
        await node.PublishAsync($"{next}");
        Assert.Equal($"{next}", await slow.ReadAsync());
    }

    [Fact]
    public async Task A_long_replay_does_not_disconnect_a_client_whose_policy_is_to_disconnect_slow_ones()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, serverOptions: new() { SlowClients = SlowClientPolicy.Disconnect, SendQueueLimit = 64 * 1024 });
        await PublishAsync(node);
        await using HistoryClient client = await node.ConnectAsync(receiveBuffer: 4096);
        Task<HistoryResume> resuming = node.ResumeAsync(client, last: Count);
        await ReadAsync(client, 1);
        Assert.Equal(Count, (await resuming).Replayed);
    }

    [Fact]
    public async Task A_client_that_leaves_a_stream_in_the_middle_of_a_replay_ends_it()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await PublishAsync(node);
        await using HistoryClient client = await node.ConnectAsync(receiveBuffer: 4096);
        Task<HistoryResume> resuming = node.ResumeAsync(client, last: Count);
        Assert.Equal("1", (await client.ReadAsync()).TrimEnd('.'));
        Assert.True(node.History.Leave(client.Client, HistoryNode.Stream));
        HistoryResume resume = await resuming;
        Assert.False(resume.IsLive);
        Assert.InRange(resume.Replayed, 1, Count - 1);
        Assert.Equal(resume.Replayed, resume.Offset.Number);
    }

    private static async Task PublishAsync(HistoryNode node)
    {
        for (int i = 1; i <= Count; i++)
            await node.PublishAsync($"{i}{Filling}");
    }

    private static async Task ReadAsync(HistoryClient client, int first)
    {
        for (int i = first; i <= Count; i++)
            Assert.Equal($"{i}", (await client.ReadAsync()).TrimEnd('.'));
    }
}
