using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Backplane;

public class RedisBackplaneOptionsTests
{
    [Fact]
    public void What_cannot_be_used_is_refused_at_once()
    {
        Assert.Throws<ArgumentException>(() => new RedisBackplane("", "chat"));
        Assert.Throws<ArgumentException>(() => new RedisBackplane("redis:6379", " "));
        Assert.Throws<ArgumentException>(() => new RedisBackplane("redis:6379,nonsense=1", "chat"));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RedisBackplane("redis:6379", "chat", new RedisBackplaneOptions { MaxPendingBytes = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RedisBackplane("redis:6379", "chat", new RedisBackplaneOptions { MaxReceivedBytes = -1 }));
        Assert.StartsWith(
            "PubSub must be one of Auto, Classic, Sharded.",
            Assert.Throws<ArgumentOutOfRangeException>(() => new RedisBackplane("redis:6379", "chat", new RedisBackplaneOptions { PubSub = (RedisPubSub)3 })).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_has_one_backplane()
    {
        await using WebSocketServer server = new("http://127.0.0.1:0");
        Assert.NotNull(server.UseRedis("redis:6379", "chat", new() { LoggerFactory = NullLoggerFactory.Instance }));
        Assert.Throws<InvalidOperationException>(() => server.UseRedis("redis:6379", "chat"));
    }

    [Theory]
    [InlineData(RedisPubSub.Auto, "Sharded")]
    [InlineData(RedisPubSub.Classic, "Classic")]
    public async Task Sharded_channels_are_used_where_Redis_has_them(RedisPubSub mode, string expected)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestNode a = await TestNode.StartAsync(redis, options => options.PubSub = mode);
        Assert.Contains($"redis.sock: {expected} publish/subscribe", a.Logs.Single(record => record.Id.Id == 200).Message, StringComparison.Ordinal);
    }
}
