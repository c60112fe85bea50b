using System.Buffers.Binary;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Attacks;

[Collection(nameof(AttackedServer))]
public class FrameAttackTests
{
    private const long MiB = 1024 * 1024;

    [Fact]
    public async Task A_frame_that_comes_byte_by_byte_is_a_message_like_any_other()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { PingInterval = TimeSpan.FromMilliseconds(500), PingTimeout = TimeSpan.FromMilliseconds(500) });
        using Attacker attacker = await server.OpenAsync();
        byte[] payload = [.. Enumerable.Range(0, 200).Select(i => (byte)i)];
        // It answers no ping all the while: any byte is a sign of life.
        foreach (byte octet in Attacker.Frame(0x82, payload))
        {
            await attacker.SendAsync(new[] { octet });
            await Task.Delay(5, AttackedServer.Timely); // the pace of the attack: the whole frame takes longer than a ping and its timeout
        }

        (byte First, byte[] Payload) frame = await attacker.ReceiveFrameAsync();
        while (frame.First == 0x89)
            frame = await attacker.ReceiveFrameAsync();
        Assert.Equal(payload, frame.Payload);
        await server.AssertServesOthersAsync();
    }

    [Fact]
    public async Task Peers_that_fall_silent_and_answer_no_ping_are_dropped_wherever_they_stopped()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { PingInterval = TimeSpan.FromSeconds(1), PingTimeout = TimeSpan.FromSeconds(1) });
        byte[] frame = Attacker.Frame(0x82, new byte[300]);
        byte[] fragment = Attacker.Frame(0x02, new byte[300]);
        using Attacker alive = await server.OpenAsync();
        List<Attacker> silent = [];
        foreach (byte[] begun in (byte[][])[[], frame[..1], frame[..5], frame[..200], fragment, [.. fragment, .. frame[..1]]])
        {
            for (int i = 0; i < 10; i++)
            {
                Attacker attacker = await server.OpenAsync();
                await attacker.SendAsync(begun);
                silent.Add(attacker);
            }
        }

        // One more, who does answer, all the while that the others need to be found out.
        while (server.Left.Count < silent.Count)
        {
            (byte first, byte[] payload) = await alive.ReceiveFrameAsync();
            Assert.Equal(0x89, first);
            await alive.SendAsync(Attacker.Frame(0x8A, payload));
        }

        Assert.All(server.Left, left => Assert.Equal((DisconnectCause.PingTimeout, 1006), (left.Cause, (int)left.CloseCode)));
        Assert.Single(server.Server.Clients);
        silent.ForEach(attacker => attacker.Dispose());
    }

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(int.MaxValue)]
    [InlineData(1024 * 1024 + 1)]
    public async Task A_declared_length_above_the_limit_is_refused_before_a_byte_of_it_came(long declared)
    {
        await using AttackedServer server = await AttackedServer.StartAsync();
        await server.AssertServesOthersAsync();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < 20; i++)
        {
            using Attacker attacker = await server.OpenAsync();
            await attacker.SendAsync(Attacker.Frame(i % 2 == 0 ? (byte)0x82 : (byte)0x01, declared: declared));
            Assert.Equal(1009, await attacker.ReceiveCloseCodeAsync());
        }

        Assert.True(GC.GetTotalAllocatedBytes(precise: true) - before < 20 * MiB);
        Assert.All(server.Left, left => Assert.True(left.CloseCode.Value is 1009 or 1000));
    }

    [Fact]
    public async Task A_declared_length_within_the_limit_reserves_nothing()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(new() { MaxMessageSize = 256 * 1024 * 1024 });
        await server.AssertServesOthersAsync();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        List<Attacker> attackers = [];
        for (int i = 0; i < 50; i++)
        {
            Attacker attacker = await server.OpenAsync();
            // The ping before it tells that the server has come to it; the first bytes of the payload, that it has begun with it.
            await attacker.SendAsync((byte[])[.. Attacker.Frame(0x89), .. Attacker.Frame(0x82, [1, 2, 3], declared: 256 * 1024 * 1024 - 1)]);
            Assert.Equal(0x8A, (await attacker.ReceiveFrameAsync()).First);
            attackers.Add(attacker);
        }

        // 50 times 256 MiB were announced.
        Assert.True(GC.GetTotalAllocatedBytes(precise: true) - before < 50 * MiB);
        await server.AssertServesOthersAsync();
        attackers.ForEach(attacker => attacker.Reset());
    }

    [Fact]
    public async Task A_million_empty_fragments_end_in_1008()
    {
        await using AttackedServer server = await AttackedServer.StartAsync();
        await server.AssertServesOthersAsync();
        long before = AttackedServer.Heap;
        using Attacker attacker = await server.OpenAsync();
        await attacker.TrySendAsync(Attacker.Frame(0x02));
        byte[] thousand = [.. Enumerable.Repeat(Attacker.Frame(0x00), 1_000).SelectMany(frame => frame)];
        for (int i = 0; i < 1_000 && await attacker.TrySendAsync(thousand); i++)
        {
        }

        Assert.Equal(1008, await attacker.ReceiveCloseCodeAsync());
        Assert.True(AttackedServer.Heap - before < 8 * MiB);
        await server.AssertServesOthersAsync();
    }

    [Fact]
    public async Task A_million_empty_fragments_make_one_empty_message_where_that_many_are_allowed()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(new() { MaxFragmentsPerMessage = 1_000_002 });
        using Attacker attacker = await server.OpenAsync();
        await attacker.SendAsync(Attacker.Frame(0x01));
        byte[] thousand = [.. Enumerable.Repeat(Attacker.Frame(0x00), 1_000).SelectMany(frame => frame)];
        for (int i = 0; i < 1_000; i++)
            await attacker.SendAsync(thousand);
        await attacker.SendAsync(Attacker.Frame(0x80));
        (byte first, byte[] payload) = await attacker.ReceiveFrameAsync();
        Assert.Equal(0x81, first);
        Assert.Empty(payload);
        await attacker.CloseAsync();
    }

    [Fact]
    public async Task A_ping_flood_by_a_peer_that_never_reads_holds_one_pong_the_newest()
    {
        const int Pings = 200_000;
        TaskCompletionSource<WebSocketClient> allCame = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AttackedServer server = await AttackedServer.StartAsync(
            subscribe: server => server.MessageReceived += (_, e) => allCame.TrySetResult(e.Client));
        long before = AttackedServer.Heap;
        using Attacker attacker = await server.OpenAsync(receiveBuffer: 4096);
        byte[] payload = new byte[125];
        List<byte> burst = [];
        for (int i = 1; i <= Pings; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(payload, i);
            burst.AddRange(Attacker.Frame(0x89, payload));
            if (i % 500 != 0)
                continue;
            await attacker.SendAsync(burst.ToArray());
            burst.Clear();
        }

        await attacker.SendAsync(Attacker.Frame(0x82));
        WebSocketClient client = await allCame.Task.WaitAsync(AttackedServer.Timely);
        Assert.InRange(client.UnsentBytes, 0, 128 * 1024);
        Assert.True(AttackedServer.Heap - before < 8 * MiB);

        int pongs = 0, last = 0;
        while (last < Pings)
        {
            (byte first, byte[] answer) = await attacker.ReceiveFrameAsync();
            Assert.Equal(0x8A, first);
            int number = BinaryPrimitives.ReadInt32BigEndian(answer);
            Assert.True(number > last, "pongs come in the order of the pings");
            last = number;
            pongs++;
        }

        Assert.InRange(pongs, 1, Pings - 1);
        await attacker.CloseAsync();
    }

    [Fact]
    public async Task What_a_peer_sends_after_its_Close_is_thrown_away_and_bounded_by_the_close_timeout()
    {
        int messages = 0;
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { CloseTimeout = TimeSpan.FromSeconds(1) }, server => server.MessageReceived += (_, _) => Interlocked.Increment(ref messages));
        long before = AttackedServer.Heap;
        using Attacker attacker = await server.OpenAsync();
        byte[] flood = [.. Enumerable.Repeat(Attacker.Frame(0x82, new byte[1_000]), 64).SelectMany(frame => frame)];
        await attacker.SendAsync((byte[])[.. Attacker.CloseFrame(1000), .. flood]);
        Assert.Equal(1000, await attacker.ReceiveCloseCodeAsync());
        while (await attacker.TrySendAsync(flood))
            Assert.True(GC.GetTotalMemory(forceFullCollection: false) < before + 32 * MiB);

        Assert.Equal(0, messages);
        await server.WhenLeftAsync(1);
        ClientDisconnectedEventArgs left = Assert.Single(server.Left);
        Assert.True(left.WasClean);
        Assert.Equal((DisconnectCause.Closed, ConnectionSide.Client, 1000), (left.Cause, left.ClosedBy, (int)left.CloseCode));
    }

    [Fact]
    public async Task What_a_peer_sends_after_the_servers_Close_is_not_raised_and_it_is_cut_when_it_does_not_answer()
    {
        int messages = 0;
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { CloseTimeout = TimeSpan.FromSeconds(1) }, server => server.MessageReceived += (_, _) => Interlocked.Increment(ref messages));
        using Attacker attacker = await server.OpenAsync();
        await Polling.UntilAsync(() => server.Server.Clients.Count == 1);
        Task closing = server.Server.Clients.Single().CloseAsync(4000, "enough", AttackedServer.Timely);
        Assert.Equal(4000, await attacker.ReceiveCloseCodeAsync());
        byte[] flood = [.. Enumerable.Repeat(Attacker.Frame(0x82, new byte[1_000]), 64).SelectMany(frame => frame)];
        while (await attacker.TrySendAsync(flood))
        {
        }

        await closing;
        Assert.Equal(0, messages);
        await server.WhenLeftAsync(1);
        ClientDisconnectedEventArgs left = Assert.Single(server.Left);
        Assert.False(left.WasClean);
        Assert.Equal((ConnectionSide.Server, 4000, "enough"), (left.ClosedBy, (int)left.CloseCode, left.CloseReason));
    }
}
