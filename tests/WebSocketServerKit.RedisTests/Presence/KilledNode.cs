using StackExchange.Redis;

namespace WebSocketServerKit.Presence;

/// <summary>What <see cref="PresenceLossTests"/> runs in a process of its own, which it kills.</summary>
public class KilledNode
{
    /// <summary>The environment variable with the connection to Redis.</summary>
    internal const string Variable = "WSK_REDIS_OF_KILLED_NODE";

    [Fact(Explicit = true)]
    public async Task Runs_until_it_is_killed()
    {
        string? configuration = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(configuration is null, "Run by The_clients_of_a_process_that_is_killed_are_gone.");
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(configuration);
        await using Node node = await Node.StartAsync(connection, new RedisPresenceOptions { HeartbeatInterval = TimeSpan.FromMilliseconds(100), Expiry = TimeSpan.FromSeconds(1) });
        await node.ConnectManyAsync(3, "all");
        await Answer.UntilAsync(3, () => node.Presence.CountAsync(TestContext.Current.CancellationToken));
        // A parent that ends without a kill has taken its Redis along.
        while (await node.Presence.CountAsync(TestContext.Current.CancellationToken) > 0)
            await Task.Delay(TimeSpan.FromMilliseconds(100), TestContext.Current.CancellationToken);
    }
}
