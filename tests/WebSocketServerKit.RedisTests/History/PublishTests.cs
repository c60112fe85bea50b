using System.Net.WebSockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.History;

public class PublishTests
{
    [Fact]
    public async Task Messages_of_a_stream_are_numbered_from_1_whoever_publishes()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode a = await HistoryNode.StartAsync(redis), b = await HistoryNode.StartAsync(redis);
        HistoryOffset first = await a.PublishAsync("one"), second = await b.PublishAsync("two");
        Assert.Equal(1, first.Number);
        Assert.Equal(first with { Number = 2 }, second);
        HistoryOffset other = await a.History.PublishAsync("other", "one", TestContext.Current.CancellationToken);
        Assert.Equal(1, other.Number);
        Assert.NotEqual(first.Epoch, other.Epoch, StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_client_on_each_node_gets_what_any_node_publishes()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode a = await HistoryNode.StartAsync(redis), b = await HistoryNode.StartAsync(redis);
        await using HistoryClient onA = await a.JoinAsync(), onB = await b.JoinAsync();
        await a.PublishAsync("1");
        await b.PublishAsync("2");
        await onA.ReadAsync(1, 2);
        await onB.ReadAsync(1, 2);
    }

    [Fact]
    public async Task The_format_is_the_hosts_with_offset_time_and_type_and_made_once_for_all_clients_of_a_node()
    {
        FakeTimeProvider time = new(new DateTimeOffset(2030, 1, 2, 3, 4, 5, 678, TimeSpan.Zero));
        int made = 0;
        RedisHistoryOptions options = new()
        {
            TimeProvider = time,
            Format = message =>
            {
                Interlocked.Increment(ref made);
                return PreparedMessage.FromText($"{message.Offset} {message.Stream} {message.Time:O} {message.MessageType} {message.Text}");
            },
        };
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, options);
        await using HistoryClient a = await node.JoinAsync(), b = await node.JoinAsync();
        await node.History.PublishAsync(HistoryNode.Stream, "a b"u8.ToArray(), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("room 2030-01-02T03:04:05.6780000+00:00 Binary a b", await a.ReadAsync());
        Assert.Equal("room 2030-01-02T03:04:05.6780000+00:00 Binary a b", await b.ReadAsync());
        Assert.Equal(1, made);
    }

    [Fact]
    public async Task Without_a_format_clients_get_the_payload_alone()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using ConnectionMultiplexer connection = await redis.ConnectAsync();
        await using RedisHistory history = new(connection, "test");
        byte[] payload = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        await history.PublishAsync("bare", payload, cancellationToken: TestContext.Current.CancellationToken);
        await using HistoryClient client = await node.ConnectAsync();
        await history.ResumeAsync(client.Client, "bare", last: 1, cancellationToken: TestContext.Current.CancellationToken);
        await history.PublishAsync("bare", "text", TestContext.Current.CancellationToken);
        await history.PublishAsync("bare", ReadOnlyMemory<byte>.Empty, cancellationToken: TestContext.Current.CancellationToken);
        ServerFrame? replayed = await client.Raw.ReadAsync(), live = await client.Raw.ReadAsync(), empty = await client.Raw.ReadAsync();
        Assert.Equal((ClientFrame.BinaryOpcode, Convert.ToHexString(payload)), (replayed!.Opcode, Convert.ToHexString(replayed.Payload.Span)));
        Assert.Equal((ClientFrame.TextOpcode, "text"), (live!.Opcode, live.Text));
        Assert.Equal((ClientFrame.BinaryOpcode, 0), (empty!.Opcode, empty.Payload.Length));
    }

    [Fact]
    public async Task A_message_that_cannot_be_one_is_refused_and_takes_no_number()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, new() { MaxMessageSize = 3 });
        CancellationToken token = TestContext.Current.CancellationToken;
        await Assert.ThrowsAsync<ArgumentException>(() => node.PublishAsync("four"));
        await Assert.ThrowsAsync<ArgumentException>(() => node.History.PublishAsync("room", new byte[] { 0xFF }, WebSocketMessageType.Text, token));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => node.History.PublishAsync("room", new byte[1], WebSocketMessageType.Close, token));
        await Assert.ThrowsAsync<OperationCanceledException>(() => node.History.PublishAsync("room", "one", new CancellationToken(canceled: true)));
        Assert.Equal(1, (await node.PublishAsync("one")).Number);
    }

    [Fact]
    public async Task While_Redis_does_not_answer_publishing_throws_within_its_timeout_and_goes_on_afterwards()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, more: ",asyncTimeout=500");
        await node.PublishAsync("one");
        redis.Pause();
        await Assert.ThrowsAsync<RedisTimeoutException>(() => node.PublishAsync("two"));
        redis.Resume();
        await using HistoryNode other = await HistoryNode.StartAsync(redis);
        Assert.InRange((await other.PublishAsync("three")).Number, 2, 3); // it is unknown whether the second is stored
    }

    [Fact]
    public async Task After_disposal_nothing_is_published_or_resumed_and_nothing_is_subscribed()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await using HistoryClient client = await node.JoinAsync();
        Assert.Equal(1, await node.SubscribersAsync());
        await node.History.DisposeAsync();
        Assert.Equal(0, await node.SubscribersAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => node.PublishAsync("one"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => node.ResumeAsync(client));
        Assert.True(client.Client.IsOpen);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{app}")]
    public async Task A_prefix_is_a_name_without_braces(string prefix)
    {
        await using ConnectionMultiplexer nowhere = await ConnectionMultiplexer.ConnectAsync($"!{Path.GetTempPath()}none.sock,abortConnect=false,connectTimeout=100");
        Assert.Throws<ArgumentException>(() => new RedisHistory(nowhere, prefix));
    }

    [Theory]
    [MemberData(nameof(WrongOptions))]
    public async Task Options_have_ranges(RedisHistoryOptions options)
    {
        await using ConnectionMultiplexer nowhere = await ConnectionMultiplexer.ConnectAsync($"!{Path.GetTempPath()}none.sock,abortConnect=false,connectTimeout=100");
        Assert.Throws<ArgumentOutOfRangeException>(() => new RedisHistory(nowhere, "app", options));
    }

    public static TheoryData<RedisHistoryOptions> WrongOptions() =>
    [
        new RedisHistoryOptions { MaxMessages = 0 },
        new RedisHistoryOptions { MaxMessages = 1_000_001 },
        new RedisHistoryOptions { MaxAge = TimeSpan.Zero },
        new RedisHistoryOptions { MaxIdleTime = TimeSpan.Zero },
        new RedisHistoryOptions { MaxMessageSize = 0 },
    ];

    [Fact]
    public async Task All_keys_and_channels_of_an_application_are_in_one_hash_slot_and_expire_when_idle()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis, new() { MaxIdleTime = TimeSpan.FromDays(2) });
        await node.PublishAsync("one");
        IDatabase database = node.Redis.GetDatabase();
        string[] keys = [.. ((RedisResult[])((RedisResult[])(await database.ExecuteAsync("SCAN", "0"))!)[1]!).Select(key => (string)key!).Order(StringComparer.Ordinal)];
        Assert.Equal(["{test}:history-head:room", "{test}:history:room"], keys);
        foreach (string key in keys)
            Assert.InRange((await database.KeyTimeToLiveAsync(key))!.Value, TimeSpan.FromDays(1.9), TimeSpan.FromDays(2));
    }

    [Fact]
    public async Task Text_is_stored_as_it_is()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using HistoryNode node = await HistoryNode.StartAsync(redis);
        await node.PublishAsync("snow ☃\r\n\0 {}");
        StreamEntry entry = Assert.Single(await node.Redis.GetDatabase().StreamRangeAsync("{test}:history:room"));
        Assert.Equal("1-0", (string)entry.Id!);
        Assert.Equal("snow ☃\r\n\0 {}", Encoding.UTF8.GetString((byte[])entry["p"]!));
    }
}
