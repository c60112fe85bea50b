using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.History;

public class ResumeTests
{
    [Fact]
    public async Task Without_an_offset_a_client_gets_what_is_published_from_then_on()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        HistoryOffset newest = await node.PublishAsync(1, 3);
        await using HistoryClient client = await node.ConnectAsync();
        Assert.Equal(new HistoryResume(true, newest, 0, null), await node.ResumeAsync(client));
        await node.PublishAsync(4, 5);
        await client.ReadAsync(4, 5);
    }

    [Fact]
    public async Task A_client_can_begin_before_the_first_message()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.ConnectAsync();
        HistoryResume resume = await node.ResumeAsync(client);
        Assert.Equal(0, resume.Offset.Number);
        HistoryOffset first = await node.PublishAsync(1, 1);
        Assert.Equal(resume.Offset with { Number = 1 }, first);
        await client.ReadAsync(1, 1);

        await using HistoryClient later = await node.ConnectAsync();
        Assert.Equal(new HistoryResume(true, first, 1, null), await node.ResumeAsync(later, resume.Offset));
        await later.ReadAsync(1, 1);
    }

    [Theory]
    [InlineData(2, 4)]
    [InlineData(5, 1)]
    [InlineData(9, 1)]
    public async Task Without_an_offset_a_client_can_get_the_newest_messages_first(int last, int first)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        HistoryOffset newest = await node.PublishAsync(1, 5);
        await using HistoryClient client = await node.ConnectAsync();
        Assert.Equal(new HistoryResume(true, newest, 6 - first, null), await node.ResumeAsync(client, last: last));
        await node.PublishAsync(6, 6);
        await client.ReadAsync(first, 6);
    }

    [Fact]
    public async Task With_an_offset_a_client_gets_all_that_follows_in_several_pages_on_any_node()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode a = await HistoryNode.StartAsync(redis), b = await HistoryNode.StartAsync(redis);
        await using HistoryClient before = await a.JoinAsync();
        await a.PublishAsync(1, 2);
        await before.ReadAsync(1, 2);
        HistoryOffset newest = await a.PublishAsync(3, 350);
        await using HistoryClient after = await b.ConnectAsync();
        Assert.Equal(new HistoryResume(true, newest, 348, null), await b.ResumeAsync(after, before.Last));
        await b.PublishAsync(351, 352);
        await after.ReadAsync(3, 352);
    }

    [Fact]
    public async Task A_client_that_has_missed_nothing_gets_nothing_twice()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        HistoryOffset newest = await node.PublishAsync(1, 3);
        await using HistoryClient client = await node.ConnectAsync();
        Assert.Equal(new HistoryResume(true, newest, 0, null), await node.ResumeAsync(client, newest));
        await node.PublishAsync(4, 4);
        await client.ReadAsync(4, 4);
    }

    [Fact]
    public async Task What_the_stream_no_longer_has_is_a_gap_told_before_the_messages_behind_it()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, new() { MaxMessages = 10 });
        HistoryOffset third = await node.PublishAsync(1, 3);
        HistoryOffset newest = await node.PublishAsync(4, 20);
        await using HistoryClient client = await node.ConnectAsync();
        Assert.Equal(new HistoryResume(true, newest, 10, new HistoryGap(4, 10)), await node.ResumeAsync(client, third));
        Assert.Equal("gap 4-10", await client.ReadAsync());
        await client.ReadAsync(11, 20);
    }

    [Fact]
    public async Task Messages_are_kept_for_the_maximum_age()
    {
        FakeTimeProvider time = new();
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, new() { MaxAge = TimeSpan.FromMinutes(10), TimeProvider = time });
        HistoryOffset first = await node.PublishAsync(1, 1);
        await node.PublishAsync(2, 3);
        time.Advance(TimeSpan.FromMinutes(9));
        await node.PublishAsync(4, 4);
        time.Advance(TimeSpan.FromMinutes(1) + TimeSpan.FromMilliseconds(1));
        await using HistoryClient client = await node.ConnectAsync();
        Assert.Equal(new HistoryResume(true, first with { Number = 4 }, 1, new HistoryGap(2, 3)), await node.ResumeAsync(client, first));
        Assert.Equal("gap 2-3", await client.ReadAsync());
        await client.ReadAsync(4, 4);
        time.Advance(TimeSpan.FromMinutes(10));
        await node.PublishAsync(5, 5);
        Assert.Equal(1, await node.Redis.GetDatabase().StreamLengthAsync("{test}:history:room"));
        time.Advance(TimeSpan.FromMinutes(11));
        await using HistoryClient later = await node.ConnectAsync();
        Assert.Equal(new HistoryResume(true, first with { Number = 5 }, 0, new HistoryGap(2, 5)), await node.ResumeAsync(later, first));
        Assert.Equal("gap 2-5", await later.ReadAsync());
    }

    [Theory]
    [InlineData("0123456789abcdef-2")]
    [InlineData(null)] // a number that the stream has not reached
    public async Task An_offset_that_the_stream_never_had_is_a_gap_of_unknown_size(string? text)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, new() { MaxMessages = 2 });
        HistoryOffset newest = await node.PublishAsync(1, 3);
        await using HistoryClient client = await node.ConnectAsync();
        HistoryResume resume = await node.ResumeAsync(client, text is null ? newest with { Number = 9 } : HistoryOffset.Parse(text));
        Assert.Equal(new HistoryResume(true, newest, text is null ? 0 : 2, new HistoryGap(null, null)), resume);
        Assert.Equal("gap", await client.ReadAsync());
        if (text is not null)
            await client.ReadAsync(2, 3);
        await node.PublishAsync(4, 4);
        await client.ReadAsync(4, 4);
    }

    [Fact]
    public async Task A_client_is_in_a_stream_once_until_it_leaves()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.JoinAsync(), other = await node.JoinAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => node.ResumeAsync(client));
        await node.PublishAsync(1, 1);
        await client.ReadAsync(1, 1);
        Assert.True(node.History.Leave(client.Client, HistoryNode.Stream));
        Assert.False(node.History.Leave(client.Client, HistoryNode.Stream));
        Assert.False(node.History.Leave(client.Client, "none"));
        await node.PublishAsync(2, 3);
        await other.ReadAsync(1, 3);
        await node.ResumeAsync(client, client.Last);
        await client.ReadAsync(2, 3);
    }

    [Fact]
    public async Task A_node_listens_to_a_stream_only_while_it_has_clients_in_it()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        for (int i = 0; i < 20; i++)
        {
            await using HistoryClient client = await node.JoinAsync();
            Assert.Equal(1, await node.SubscribersAsync());
            if (i % 2 == 0)
                node.History.Leave(client.Client, HistoryNode.Stream);
        }

        while (await node.SubscribersAsync() > 0)
            await Task.Yield();
        await using HistoryClient last = await node.JoinAsync();
        await node.PublishAsync(1, 1);
        await last.ReadAsync(1, 1);
    }

    [Fact]
    public async Task A_client_that_has_left_meanwhile_is_not_live()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.ConnectAsync();
        client.Client.Abort();
        Assert.False((await node.ResumeAsync(client)).IsLive);
    }

    [Fact]
    public async Task A_resume_without_Redis_throws_and_can_be_tried_again()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, more: ",asyncTimeout=500");
        await using HistoryClient client = await node.ConnectAsync();
        redis.Pause();
        await Assert.ThrowsAnyAsync<Exception>(() => node.ResumeAsync(client));
        redis.Resume();
        while (true)
        {
            try
            {
                await node.ResumeAsync(client);
                break;
            }
            catch (Exception exception) when (exception is StackExchange.Redis.RedisException or TimeoutException)
            {
                await Task.Yield();
            }
        }

        await using HistoryNode other = await HistoryNode.StartAsync(redis);
        await other.PublishAsync(1, 1);
        await client.ReadAsync(1, 1);
    }

    [Fact]
    public async Task A_message_whose_format_fails_is_a_gap_live_and_later()
    {
        RedisHistoryOptions options = new()
        {
            Format = message => message.Text is "2" ? throw new FormatException("two") : PreparedMessage.FromText($"{message.Offset} {message.Text}"),
        };
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, options);
        await using HistoryClient live = await node.ConnectAsync();
        HistoryResume begin = await node.ResumeAsync(live);
        await node.PublishAsync(1, 3);
        await using HistoryClient later = await node.ConnectAsync();
        Assert.Equal(new HistoryGap(2, 2), (await node.ResumeAsync(later, begin.Offset)).Gap);
        foreach (HistoryClient client in (HistoryClient[])[live, later])
        {
            Assert.Equal("1", await client.ReadAsync());
            Assert.Equal("gap 2-2", await client.ReadAsync());
            Assert.Equal("3", await client.ReadAsync());
        }
    }
}
