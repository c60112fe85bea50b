using System.Collections.Concurrent;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Load;

public class ChurnTests
{
    [Fact]
    public async Task A_thousand_clients_come_talk_and_leave_and_each_is_told_once_of_its_coming_and_once_of_its_end()
    {
        const int Count = 1_000;
        var living = new ConcurrentDictionary<long, WebSocketClient>();
        var ended = new ConcurrentDictionary<long, ClientDisconnectedEventArgs>();
        int strange = 0;
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.ClientConnected += (_, e) =>
            {
                if (!living.TryAdd(e.Client.Id, e.Client))
                    Interlocked.Increment(ref strange);
            };
            server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
            server.ClientDisconnected += (_, e) =>
            {
                if (!living.TryRemove(new(e.Client.Id, e.Client)) || !ended.TryAdd(e.Client.Id, e))
                    Interlocked.Increment(ref strange);
            };
        });

        await Parallel.ForAsync(0, Count, new ParallelOptions { MaxDegreeOfParallelism = 50, CancellationToken = TestServer.Timely }, async (i, _) =>
        {
            TestClient client = await server.OpenAsync($"/{i}");
            await client.SendAsync($"hello {i}");
            Assert.Equal($"hello {i}", await client.ReadTextAsync());
            if (i % 2 == 0)
                await client.LeaveAsync();
            else
                client.Reset();
        });
        await Polling.UntilAsync(() => ended.Count == Count);

        Assert.Equal(0, strange);
        Assert.Empty(living);
        Assert.Empty(server.Clients);
        Assert.Empty(server.Clients.WithPath("/1"));
        Assert.Equal(Count / 2, ended.Values.Count(end => end.WasClean && end.Cause == DisconnectCause.Closed));
        Assert.Equal(Count / 2, ended.Values.Count(end => !end.WasClean && end.Cause == DisconnectCause.ConnectionLost));
        Assert.All(ended.Values, end => Assert.Equal((1, 1), (end.Client.MessagesReceived, end.Client.MessagesSent)));
        Assert.Equal(new StopResult(), await server.Server.StopAsync(TestServer.Timely));
        Assert.Empty(server.Log.Of(13));
    }
}
