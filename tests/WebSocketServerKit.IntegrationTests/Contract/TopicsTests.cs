using System.Globalization;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

public class TopicsTests
{
    // A peer sends "+filter" or "-filter", and gets an answer; or "topic=text".
    private static void Serve(WebSocketServer server) => server.MessageReceived += (_, e) =>
    {
        string text = e.Text;
        if (text[0] == '+')
        {
            string filter = text[1..];
            e.Client.TrySend(!TopicFilter.IsValid(filter) ? "no filter" : e.Client.Subscribe(filter) ? "subscribed" : "was subscribed");
        }
        else if (text[0] == '-')
        {
            e.Client.TrySend(e.Client.Unsubscribe(text[1..]) ? "unsubscribed" : "was not subscribed");
        }
        else
        {
            server.Clients.SubscribedTo(text[..text.IndexOf('=', StringComparison.Ordinal)]).Broadcast(text);
        }
    };

    private static async Task AskAsync(TestClient client, string request, string answer)
    {
        await client.SendAsync(request);
        Assert.Equal(answer, await client.ReadTextAsync());
    }

    [Fact]
    public async Task A_topic_reaches_those_who_have_subscribed_and_each_of_them_once()
    {
        await using TestServer server = await TestServer.StartAsync(Serve);
        using TestClient exact = await server.OpenAsync(), wild = await server.OpenAsync(), other = await server.OpenAsync(), sender = await server.OpenAsync();
        await AskAsync(exact, "+prices/EURUSD", "subscribed");
        await AskAsync(exact, "+prices/EURUSD", "was subscribed");
        await AskAsync(wild, "+prices/+", "subscribed");
        await AskAsync(wild, "+prices/#", "subscribed");
        await AskAsync(wild, "+#", "subscribed");
        await AskAsync(other, "+prices/EURUSD/#/x", "no filter");
        await AskAsync(other, "+news/#", "subscribed");

        await sender.SendAsync("prices/EURUSD=1");
        await sender.SendAsync("prices/GBPUSD=2");
        await sender.SendAsync("news=3");
        Assert.Equal("prices/EURUSD=1", await exact.ReadTextAsync());
        foreach (string text in (string[])["prices/EURUSD=1", "prices/GBPUSD=2", "news=3"])
            Assert.Equal(text, await wild.ReadTextAsync());
        Assert.Equal("news=3", await other.ReadTextAsync());

        await AskAsync(exact, "-prices/EURUSD", "unsubscribed");
        await AskAsync(exact, "-prices/EURUSD", "was not subscribed");
        Assert.Empty(server.Clients.SubscribedTo("prices/EURUSD").Where(client => client.Subscriptions.Count == 0));
    }

    [Fact]
    public async Task A_client_has_lost_its_subscriptions_and_gets_none_when_ClientDisconnected_is_raised()
    {
        TaskCompletionSource<string> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(server => server.ClientDisconnected += (_, e) =>
            seen.TrySetResult($"{e.Client.Subscriptions.Count} {e.Client.Subscribe("late")} {e.Client.Unsubscribe("a/+")} {server.Clients.SubscribedTo("a/b").Count}"));
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        client.Subscribe("a/+");
        client.Subscribe("#");
        Assert.Equal([client], server.Clients.SubscribedTo("a/b"));
        await raw.LeaveAsync();
        Assert.Equal("0 False False 0", await seen.Task.Timely());
        Assert.Empty(server.Clients.ByTopic.Keys);
        raw.Dispose();
    }

    [Fact]
    public async Task Who_subscribes_while_a_client_disconnects_is_told_the_truth_and_nothing_stays_behind()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxSubscriptionsPerClient = null);
        for (int round = 0; round < 20; round++)
        {
            (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
            using var started = new CountdownEvent(3);
            Task[] subscribing = [.. Enumerable.Range(0, 3).Select(thread => Task.Factory.StartNew(
                () =>
                {
                    started.Signal();
                    // Until it is told that the client has left. Older ones are given up, and some are the same for all threads.
                    for (int i = 0; client.Subscribe($"{thread}/{i}/+"); i++)
                    {
                        client.Subscribe($"same/{i % 3}");
                        client.Unsubscribe($"same/{(i + 1) % 3}");
                        if (i > 20)
                            client.Unsubscribe($"{thread}/{i - 20}/+");
                    }
                },
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default))];
            Assert.True(started.Wait(TimeSpan.FromSeconds(30), CancellationToken.None));
            if (round % 2 == 0)
                raw.Reset();
            else
                client.Abort();
            await Task.WhenAll(subscribing).Timely();
            await server.NextEndAsync();
            Assert.Empty(server.Clients.ByTopic.Keys);
            Assert.Empty(client.Subscriptions);
            Assert.False(client.Subscribe("afterwards"));
            raw.Dispose();
        }
    }

    [Fact]
    public async Task A_peer_that_subscribes_without_end_is_closed_at_the_limit_and_disturbs_nobody()
    {
        await using TestServer server = await TestServer.StartAsync(Serve, options => options.MaxSubscriptionsPerClient = 3);
        using TestClient good = await server.OpenAsync(), hostile = await server.OpenAsync();
        await AskAsync(good, "+a", "subscribed");
        for (int i = 0; i < 3; i++)
            await AskAsync(hostile, $"+a/{i}", "subscribed");
        await AskAsync(hostile, "+a/1", "was subscribed");
        await hostile.SendAsync("+a/3");
        ReceivedFrame close = await hostile.ReadFrameAsync();
        Assert.Equal((Opcode.Close, 1011), (close.Opcode, (close.Payload[0] << 8) | close.Payload[1]));
        await hostile.SendCloseAsync(1011);
        Assert.False((await server.NextEndAsync()).Client.IsOpen);
        Assert.Equal(["a"], server.Clients.ByTopic.Keys);
        await AskAsync(good, "+b", "subscribed");
    }

    [Fact]
    public async Task Those_who_stay_get_every_message_of_a_topic_in_order_while_others_come_subscribe_and_leave()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.ClientConnected += (_, e) =>
        {
            e.Client.Subscribe(e.Client.Path == "/guest" ? $"prices/{e.Client.Id % 5}" : "prices/#");
            e.Client.Subscribe("prices/+");
        });
        using TestClient stays = await server.OpenAsync();
        await server.NextClientAsync();
        Task coming = Task.Run(
            async () =>
            {
                for (int i = 0; i < 50; i++)
                    (await server.OpenAsync("/guest")).Reset();
            },
            TestServer.Timely);
        int sent = 0;
        while (!coming.IsCompleted && sent < 10_000)
        {
            server.Clients.SubscribedTo($"prices/{sent % 5}").Broadcast(sent.ToString(CultureInfo.InvariantCulture));
            Assert.Equal($"{sent++}", await stays.ReadTextAsync());
        }

        await coming.Timely();
        await Polling.UntilAsync(() => server.Clients.Count == 1);
        Assert.Equal(["prices/#", "prices/+"], server.Clients.ByTopic.Keys.Order(StringComparer.Ordinal), StringComparer.Ordinal);
    }
}
