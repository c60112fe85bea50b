using System.Net;
using System.Net.Sockets;
using StackExchange.Redis;
using WebSocketServerKit.Presence;

namespace WebSocketServerKit.TestKit;

/// <summary>A real Redis Cluster: three shards without replicas, on ports of their own. If a shard is gone, the others go on.</summary>
internal sealed class RedisCluster : IAsyncDisposable
{
    private const int Slots = 16_384, SlotsOfAShard = (Slots / 3) + 1;

    private readonly List<RedisServer> _shards = [];

    private RedisCluster(IReadOnlyList<IPEndPoint> endPoints) => EndPoints = endPoints;

    public IReadOnlyList<RedisServer> Shards => _shards;

    public IReadOnlyList<IPEndPoint> EndPoints { get; }

    /// <summary>For <see cref="ConfigurationOptions.Parse(string)"/>.</summary>
    public string Configuration => $"{string.Join(',', EndPoints)},abortConnect=false,connectTimeout=20000";

    /// <summary>Starts it. The test is skipped, or fails in CI, where Redis is not installed.</summary>
    public static async Task<RedisCluster> StartAsync()
    {
        int[] ports = FreePorts(6);
        IPEndPoint[] endPoints = [.. ports[..3].Select(port => new IPEndPoint(IPAddress.Loopback, port))];
        RedisCluster cluster = new(endPoints);
        try
        {
            for (int shard = 0; shard < 3; shard++)
            {
                cluster._shards.Add(await RedisServer.StartAsync(
                    "--port", $"{ports[shard]}", "--bind", "127.0.0.1", "--cluster-port", $"{ports[3 + shard]}", "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"));
            }

            await cluster.FormAsync(ports[3..]);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Which of <see cref="Shards"/> has a channel or key.</summary>
    public static int ShardOf(IConnectionMultiplexer client, string name) => client.GetHashSlot(name) / SlotsOfAShard;

    public async ValueTask DisposeAsync()
    {
        foreach (RedisServer shard in Shards)
            await shard.DisposeAsync();
    }

    private async Task FormAsync(int[] busPorts)
    {
        const string Admin = ",allowAdmin=true";
        await using ConnectionMultiplexer first = await Shards[0].ConnectAsync(Admin), second = await Shards[1].ConnectAsync(Admin), third = await Shards[2].ConnectAsync(Admin);
        ConnectionMultiplexer[] clients = [first, second, third];
        for (int shard = 0; shard < 3; shard++)
        {
            await ClusterAsync(clients[shard], "ADDSLOTSRANGE", shard * SlotsOfAShard, Math.Min(Slots, (shard + 1) * SlotsOfAShard) - 1);
            await ClusterAsync(clients[shard], "SET-CONFIG-EPOCH", shard + 1);
            if (shard > 0)
                await ClusterAsync(first, "MEET", "127.0.0.1", EndPoints[shard].Port, busPorts[shard]);
        }

        foreach (ConnectionMultiplexer client in clients)
            await Answer.UntilAsync(true, async () => await ClusterAsync(client, "INFO") is var info && info.Contains("cluster_state:ok", StringComparison.Ordinal) && info.Contains($"cluster_slots_ok:{Slots}", StringComparison.Ordinal));
    }

    private static async Task<string> ClusterAsync(ConnectionMultiplexer client, params object[] arguments) => (string)(await client.GetServers()[0].ExecuteAsync("CLUSTER", arguments))!;

    // Below the ports that systems give to clients: one of those might be taken before Redis listens.
    private static int[] FreePorts(int count)
    {
        HashSet<int> ports = [];
        while (ports.Count < count)
        {
            int port = Random.Shared.Next(20_000, 32_000);
            using TcpListener listener = new(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                ports.Add(port);
            }
            catch (SocketException)
            {
                // It is taken.
            }
        }

        return [.. ports];
    }
}
