using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Backplane;

/// <summary>A Redis that takes less than a server publishes, with a real Redis.</summary>
public sealed class SlowRedisTests
{
    [Fact]
    public async Task What_is_accepted_is_bounded_and_all_of_it_arrives_in_order()
    {
        const int Limit = 100_000, Size = 1024;
        await using RedisServer redis = await RedisServer.StartAsync();
        await using Relay network = new(redis);
        FakeTimeProvider time = new();
        (RedisBackplaneOptions options, var logs) = TestNode.Options(options => (options.MaxPendingBytes, options.Time) = (Limit, time));
        await using TestNode a = await TestNode.StartAsync(new RedisBackplane($"{network.Configuration},asyncTimeout=120000,syncTimeout=120000", "chat", options), logs);
        await using TestNode b = await TestNode.StartAsync(redis);
        await b.SubscribeAsync("group");

        network.SlowDown();
        int accepted = 0;
        const int Rounds = 5, Pieces = 20;
        for (int round = 0; round < Rounds; round++)
        {
            Flood();
            // A message is larger than a piece, so each piece makes room for one at most.
            Assert.InRange(accepted, 1, (Limit / Size) + (round * (Pieces + 1)));
            network.Pass(Pieces);
            await Polling.UntilAsync(TryPublish); // Redis has answered some
        }

        network.SpeedUp();
        for (int i = 0; i < accepted; i++)
            Assert.Equal($"{i}", (await b.NextAsync()).Message.TrimEnd());
        Assert.Single(a.Logs, record => record.Id.Id == 203);
        await a.PublishWithRoomAsync("group", "last");
        time.Advance(TimeSpan.FromSeconds(10));
        await a.PublishAsync("group", "more");
        Assert.Single(a.Logs, record => record.Id.Id == 204);

        void Flood()
        {
            while (TryPublish())
            {
                // until it is refused
            }
        }

        bool TryPublish()
        {
            bool isAccepted = a.TryPublish("group", $"{accepted}{new string(' ', Size)}");
            accepted += isAccepted ? 1 : 0;
            return isAccepted;
        }
    }
}
