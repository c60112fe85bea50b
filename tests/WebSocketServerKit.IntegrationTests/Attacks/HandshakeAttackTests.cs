using System.Net.Sockets;

namespace WebSocketServerKit.Attacks;

[Collection(nameof(AttackedServer))]
public class HandshakeAttackTests
{
    [Fact]
    public async Task A_request_that_comes_byte_by_byte_is_answered_408_when_the_time_is_up_however_busy_it_looks()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(new() { HandshakeTimeout = TimeSpan.FromSeconds(1), CloseTimeout = TimeSpan.FromSeconds(1) });
        using Attacker attacker = await server.ConnectAsync();
        Task<string> answer = attacker.ReceiveHeadAsync();
        await attacker.SendAsync("GET /");
        while (!answer.IsCompleted)
        {
            await attacker.SendAsync("a");
            await Task.Delay(5, AttackedServer.Timely); // the pace of the attack
        }

        Assert.StartsWith("HTTP/1.1 408 ", await answer);
        // The dribble goes on, and is cut in the end.
        while (await attacker.TrySendAsync("a"u8.ToArray()))
            await Task.Delay(5, AttackedServer.Timely);
        await server.AssertServesOthersAsync();
        await server.WhenLeftAsync(1); // the other one, not the attacker: it never was a client
    }

    [Theory]
    [InlineData(Attacker.RequestLine + "Host: localhost\r\n", "A: b\r\n", 431)]
    [InlineData(Attacker.RequestLine + "Host: localhost\r\n", "A: 89012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n", 431)]
    [InlineData(Attacker.RequestLine + "Cookie: ", "endless", 431)]
    [InlineData(Attacker.RequestLine, "endless", 431)]
    [InlineData("GET /", "endless", 414)]
    [InlineData("", "\r\n", 400)]
    [InlineData("", "ENDLESS", 501)]
    public async Task An_endless_head_is_refused_and_the_rest_of_it_costs_no_memory(string begin, string again, int status)
    {
        await using AttackedServer server = await AttackedServer.StartAsync(new() { CloseTimeout = TimeSpan.FromMilliseconds(400) });
        await server.AssertServesOthersAsync();
        using Attacker attacker = await server.ConnectAsync();
        byte[] more = System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(again, 64 * 1024 / again.Length)));
        long before = AttackedServer.Heap;
        await attacker.SendAsync(begin);

        // It goes on long after the answer, for as long as the server lets it.
        Task<string> answer = attacker.ReceiveHeadAsync();
        long sent = 0;
        while (await attacker.TrySendAsync(more))
        {
            sent += more.Length;
            Assert.True(GC.GetTotalMemory(forceFullCollection: false) < before + 32 * 1024 * 1024, $"after {sent} bytes");
        }

        Assert.StartsWith($"HTTP/1.1 {status} ", await answer);
        await server.AssertServesOthersAsync();
    }

    [Fact]
    public async Task Thousands_that_connect_and_say_nothing_are_answered_408_and_gone_while_others_are_served()
    {
        const int Mutes = 2_000;
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { HandshakeTimeout = TimeSpan.FromSeconds(4), CloseTimeout = TimeSpan.FromSeconds(4) });
        await server.AssertServesOthersAsync();
        long before = AttackedServer.Heap;
        Attacker[] mutes = new Attacker[Mutes];
        await Parallel.ForAsync(0, Mutes, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) =>
            mutes[i] = await server.ConnectAsync());
        await server.AssertServesOthersAsync();
        long during = AttackedServer.Heap;
        Assert.True(during - before < Mutes * 32 * 1024L, $"{(during - before) / Mutes} bytes for each, both ends of it");

        await Parallel.ForEachAsync(mutes, new ParallelOptions { MaxDegreeOfParallelism = Mutes }, async (mute, _) =>
        {
            Assert.StartsWith("HTTP/1.1 408 ", await mute.ReceiveHeadAsync());
            await mute.ReceiveToEndAsync();
            mute.Dispose();
        });
        await server.AssertServesOthersAsync();
    }

    [Fact]
    public async Task A_head_takes_memory_for_what_came_of_it_and_not_for_what_may_come()
    {
        const int Halves = 500;
        await using AttackedServer server = await AttackedServer.StartAsync(new() { MaxRequestHeadSize = 1024 * 1024 });
        await server.AssertServesOthersAsync();
        long before = AttackedServer.Heap;
        Attacker[] halves = new Attacker[Halves];
        for (int i = 0; i < Halves; i++)
        {
            halves[i] = await server.ConnectAsync();
            await halves[i].SendAsync(Attacker.RequestLine + "Host: localhost\r\nCookie: " + new string('c', 3_000));
        }

        await server.AssertServesOthersAsync();
        long during = AttackedServer.Heap;
        Assert.True(during - before < Halves * 32 * 1024L, $"{(during - before) / Halves} bytes for each, both ends of it");

        foreach (Attacker half in halves)
            half.Dispose();
    }

    [Fact]
    public async Task A_flood_above_the_limit_gets_503_and_is_served_when_there_is_room_again()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(new() { MaxClients = 10 });
        List<Attacker> clients = [];
        for (int i = 0; i < 10; i++)
            clients.Add(await server.OpenAsync());

        for (int i = 0; i < 50; i++)
        {
            using Attacker late = await server.ConnectAsync();
            await late.SendAsync(Attacker.Request);
            string answer = await late.ReceiveHeadAsync();
            Assert.StartsWith("HTTP/1.1 503 ", answer);
            Assert.Contains("\r\nRetry-After: 5", answer);
        }

        Assert.Equal(10, server.Server.Clients.Count);
        await clients[3].CloseAsync();
        clients[3].Dispose();
        await UntilServedAsync(server);
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task A_flood_of_connections_of_one_address_leaves_room_again_when_it_goes()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(new() { MaxClientsPerRemoteAddress = 5 });
        Attacker[] silent = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => server.ConnectAsync()));
        using (Attacker late = await server.ConnectAsync())
            Assert.StartsWith("HTTP/1.1 503 ", await late.ReceiveHeadAsync());
        foreach (Attacker attacker in silent)
            attacker.Reset();
        await UntilServedAsync(server);
    }

    [Fact]
    public async Task A_flood_of_silent_connections_keeps_nobody_out()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(new() { MaxConcurrentHandshakes = 10 });
        List<Attacker> silent = [];
        for (int i = 0; i < 200; i++)
        {
            silent.Add(await server.ConnectAsync());
            if (i % 20 == 0)
                await server.AssertServesOthersAsync();
        }

        // Those that gave way were told.
        Assert.StartsWith("HTTP/1.1 503 ", await silent[0].ReceiveHeadAsync());
        silent.ForEach(attacker => attacker.Dispose());
    }

    [Fact]
    public async Task A_flood_that_outruns_even_the_refusals_is_cut()
    {
        // The refused ones do not end their side, so the server lingers on them.
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { MaxClients = 1, MaxConcurrentHandshakes = 20, CloseTimeout = TimeSpan.FromSeconds(2) });
        using Attacker first = await server.OpenAsync();
        List<Attacker> flood = [];
        bool cut = false;
        for (int i = 0; i < 200 && !cut; i++)
        {
            try
            {
                Attacker attacker = await server.ConnectAsync();
                flood.Add(attacker);
                Assert.StartsWith("HTTP/1.1 503 ", await attacker.ReceiveHeadAsync());
            }
            catch (SocketException)
            {
                cut = true;
            }
        }

        Assert.True(cut);
        // The client that is in notices nothing.
        await first.SendAsync(Attacker.Frame(0x82, [1]));
        Assert.Equal([1], (await first.ReceiveFrameAsync()).Payload);
        flood.ForEach(attacker => attacker.Dispose());
        await first.CloseAsync();
        await UntilServedAsync(server);
    }

    private static async Task UntilServedAsync(AttackedServer server)
    {
        CancellationToken timely = AttackedServer.Timely;
        while (true)
        {
            try
            {
                using Attacker client = await server.ConnectAsync();
                await client.SendAsync(Attacker.Request);
                string answer = await client.ReceiveHeadAsync();
                if (answer.StartsWith("HTTP/1.1 101 ", StringComparison.Ordinal))
                {
                    await client.CloseAsync();
                    return;
                }

                Assert.StartsWith("HTTP/1.1 503 ", answer);
            }
            catch (SocketException)
            {
                // To the server it was one more of the flood.
            }

            timely.ThrowIfCancellationRequested();
        }
    }
}
