using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

public class RedisServerTests
{
    [Fact]
    public async Task A_test_has_a_Redis_of_its_own_that_can_be_restarted()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using (var connection = await redis.ConnectAsync())
            Assert.True(await connection.GetDatabase().StringSetAsync("key", "value"));
        await redis.KillAsync();
        await redis.RestartAsync();
        await using (var connection = await redis.ConnectAsync())
            Assert.True((await connection.GetDatabase().StringGetAsync("key")).IsNull);
    }
}
