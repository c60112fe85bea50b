using System.Globalization;
using System.Threading.Channels;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Clients that read too slowly, over real connections.</summary>
public sealed class WebSocketServerSlowTests
{
    private static async Task FillAsync(WebSocketClient client, byte[] block)
    {
        // The system takes what fits into its buffers, and goes on a little later.
        while (client.TrySend(block).IsAccepted || client.UnsentBytes < block.Length)
            await Task.Yield();
    }

    [Fact]
    public async Task The_host_is_told_that_a_client_has_become_slow_and_that_it_has_caught_up()
    {
        Channel<(WebSocketClient Client, bool IsSlow)> told = Channel.CreateUnbounded<(WebSocketClient, bool)>();
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.OnSlow(async (client, e) =>
                {
                    await Task.Yield();
                    told.Writer.TryWrite((client, e.IsSlow));
                });
                server.OnSlow((_, _) => ValueTask.CompletedTask);
            },
            options => (options.SendQueueLimit, options.PingInterval) = (64 * 1024, Timeout.InfiniteTimeSpan));
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 4096);
        await FillAsync(client, new byte[8 * 1024]);
        Assert.Equal((client, true), await told.Reader.ReadAsync(TestServer.Timely));
        Assert.True(client.IsSlow);
        Assert.Equal(client.MessagesDropped, server.Server.MessagesDropped);
        Assert.Equal(0, server.Server.MessagesReplaced);

        for (long i = client.MessagesSent; i > 0; i--)
            await raw.ReadFrameAsync();
        Assert.Equal((client, false), await told.Reader.ReadAsync(TestServer.Timely));
        Assert.False(client.IsSlow);
        raw.Dispose();
    }

    [Fact]
    public async Task A_client_that_reads_too_slowly_is_disconnected_if_the_policy_says_so()
    {
        await using TestServer server = await TestServer.StartAsync(configure: options =>
        {
            options.SendQueueLimit = 64 * 1024;
            options.SlowClients = SlowClientPolicy.Disconnect;
            options.PingInterval = Timeout.InfiniteTimeSpan;
        });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 4096);
        SendResult last;
        do
        {
            last = client.TrySend(new byte[8 * 1024]);
            await Task.Yield();
        }
        while (last.IsAccepted);

        Assert.Equal((SendResult.Closed, false), (last, client.IsOpen));
        Assert.InRange(client.UnsentBytes, 0, 64 * 1024);
        ReceivedFrame frame;
        do
            frame = await raw.ReadFrameAsync();
        while (frame.Opcode != Protocol.Framing.Opcode.Close);
        await raw.SendCloseAsync(1008);
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.SlowClient, 1008, "client reads too slowly"), (end.Cause, end.CloseCode.Value, end.CloseReason));
        raw.Dispose();
    }

    [Fact]
    public async Task A_handler_of_Handshaking_chooses_the_policy_of_a_client()
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += (_, e) =>
            {
                e.Options.SlowClients = SlowClientPolicy.DropOldest;
                e.Options.SendBufferSize = 16 * 1024;
                e.Options.SendQueueLimit = 32 * 1024;
            },
            options => options.PingInterval = Timeout.InfiniteTimeSpan);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync(receiveBuffer: 4096);
        int sent = 0;
        for (; client.MessagesDropped < 100; sent++)
        {
            Assert.True(client.TrySend($"{sent} {new string('x', 1000)}").IsAccepted);
            await Task.Yield();
        }

        int before = -1;
        for (long left = client.MessagesSent - client.MessagesDropped; left > 0; left--)
        {
            int number = int.Parse((await raw.ReadTextAsync()).Split(' ')[0], CultureInfo.InvariantCulture);
            Assert.True(number > before, $"{number} came after {before}.");
            before = number;
        }

        // The newest is never dropped.
        Assert.Equal(sent - 1, before);
        raw.Dispose();
    }

    [Fact]
    public async Task One_client_in_five_that_reads_slowly_or_never_changes_nothing_for_the_others_and_gets_the_newest_of_each_key()
    {
        const int Deaf = 20, Slow = 20, Quick = 160, Keys = 500, Limit = 256 * 1024;
        // The systems of the clients have their usual buffers: with small ones they tell the server late that there is room again, and the server asks ever more rarely.
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += (_, e) => e.Options.SendBufferSize = 16 * 1024,
            options => (options.SendQueueLimit, options.SlowClients, options.PingInterval) = (Limit, SlowClientPolicy.DropOldest, Timeout.InfiniteTimeSpan));
        var deaf = new List<(TestClient Raw, WebSocketClient Client)>();
        var slow = new List<(TestClient Raw, WebSocketClient Client)>();
        var quick = new List<(TestClient Raw, WebSocketClient Client)>();
        for (int i = 0; i < Deaf; i++)
            deaf.Add(await server.ConnectAsync());
        for (int i = 0; i < Slow; i++)
            slow.Add(await server.ConnectAsync());
        for (int i = 0; i < Quick; i++)
            quick.Add(await server.ConnectAsync());

        string filling = new('x', 90);
        int rounds = 0;
        // How much their systems take before they are slow depends on how it comes.
        while (rounds < 12 || !deaf.Concat(slow).All(client => client.Client is { UnsentBytes: > 0, MessagesReplaced: > 0, IsSlow: true }))
        {
            int round = rounds++;
            Assert.InRange(round, 0, 1_000);
            for (int key = 0; key < Keys; key++)
                server.Clients.BroadcastLatest($"{key}", $"{key} {round} {filling}");

            // All updates reach those who read, in their order, before the next round begins.
            await Task.WhenAll(quick.Select(client => Task.Run(async () =>
            {
                for (int key = 0; key < Keys; key++)
                    Assert.Equal($"{key} {round} {filling}", await client.Raw.ReadTextAsync());
            })));
        }

        Assert.All(quick, client => Assert.Equal((0, 0), (client.Client.MessagesDropped, client.Client.MessagesReplaced)));
        Assert.All(deaf.Concat(slow), client => Assert.InRange(client.Client.UnsentBytes, 1, Limit));
        // Four times the limit for each who does not read, and a buffer of up to a round for each of the others.
        Assert.InRange(server.Server.BufferedBytes, 1, (4L * Limit * (Deaf + Slow)) + ((long)Quick * 128 * 1024));

        foreach ((TestClient raw, _) in slow.Concat(deaf))
        {
            int[] newest = [.. Enumerable.Repeat(-1, Keys)];
            while (newest.Any(round => round < rounds - 1))
            {
                string[] parts = (await raw.ReadTextAsync()).Split(' ');
                (int key, int round) = (int.Parse(parts[0], CultureInfo.InvariantCulture), int.Parse(parts[1], CultureInfo.InvariantCulture));
                Assert.True(round > newest[key], $"Key {key}: {round} came after {newest[key]}.");
                newest[key] = round;
            }
        }

        Assert.All(deaf.Concat(slow), client => Assert.Equal(0, client.Client.MessagesDropped));
        foreach ((TestClient raw, _) in quick.Concat(slow).Concat(deaf))
            raw.Dispose();
    }
}
