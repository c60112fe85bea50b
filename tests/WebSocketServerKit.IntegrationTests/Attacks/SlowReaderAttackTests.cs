using System.Net.WebSockets;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Attacks;

[Collection(nameof(AttackedServer))]
public class SlowReaderAttackTests
{
    private const long MiB = 1024 * 1024;

    [Fact]
    public async Task A_client_that_never_reads_costs_its_queue_and_others_get_every_message()
    {
        const int Messages = 1_200;
        const int Size = 8 * 1024;
        const int Limit = 64 * 1024;
        long dropped = 0, most = 0;
        WebSocketClient? lazyClient = null;
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { SendQueueLimit = Limit },
            server =>
            {
                server.ClientConnected += (_, e) => lazyClient ??= e.Client;
                server.MessageReceived += (_, e) =>
                {
                    dropped += server.Clients.Except(e.Client).Broadcast(e.Payload).Dropped;
                    most = Math.Max(most, lazyClient!.UnsentBytes);
                };
            });
        using Attacker lazy = await server.OpenAsync(receiveBuffer: 4096);
        await Polling.UntilAsync(() => lazyClient is not null);
        using Attacker speaker = await server.OpenAsync();
        Attacker[] listeners = [await server.OpenAsync(), await server.OpenAsync(), await server.OpenAsync()];
        await Polling.UntilAsync(() => server.Server.Clients.Count == 5);
        long before = AttackedServer.Heap;
        byte[] payload = new byte[Size];
        for (int i = 0; i < Messages; i++)
        {
            BitConverter.TryWriteBytes(payload, i);
            await speaker.SendAsync(Attacker.Frame(0x82, payload));
            foreach (Attacker listener in listeners)
                Assert.Equal(i, BitConverter.ToInt32((await listener.ReceiveFrameAsync()).Payload));
        }

        // The system takes some for the lazy one too; 9 MiB it does not.
        Assert.InRange(dropped, 1, Messages);
        Assert.InRange(most, 1, Limit);
        Assert.True(AttackedServer.Heap - before < 8 * MiB);
        lazy.Reset();
        foreach (Attacker listener in listeners)
            await listener.CloseAsync();
    }

    [Fact]
    public async Task A_client_that_never_reads_while_it_is_sent_to_is_cut_and_its_senders_go_on()
    {
        FakeTimeProvider time = new();
        WebSocketClient? client = null;
        TaskCompletionSource<Exception> senderEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { SendQueueLimit = 64 * 1024, TimeProvider = time },
            server => server.ClientConnected += async (_, e) =>
            {
                client = e.Client;
                try
                {
                    while (true)
                        await e.Client.SendAsync(new byte[16 * 1024]);
                }
                catch (WebSocketException gone)
                {
                    senderEnded.TrySetResult(gone);
                }
            });
        using Attacker lazy = await server.OpenAsync(receiveBuffer: 4096);
        // The queue is full: there is no room for a fourth message.
        await Polling.UntilAsync(() => client?.UnsentBytes > 3 * 16 * 1024);
        while (!senderEnded.Task.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await server.WhenLeftAsync(1);
        Assert.Equal(DisconnectCause.SendTimeout, Assert.Single(server.Left).Cause);
    }

    // It cannot answer a ping, which stands behind the message; that it takes the message is its sign of life.
    [Fact]
    public async Task A_slow_client_that_gets_on_with_a_long_message_is_not_taken_for_gone()
    {
        const int Size = 14 * 1024 * 1024;
        FakeTimeProvider time = new();
        TimeSpan patience = TimeSpan.FromSeconds(20), justLess = TimeSpan.FromSeconds(19);
        WebSocketClient? client = null;
        await using AttackedServer server = await AttackedServer.StartAsync(
            new() { PingInterval = patience, PingTimeout = patience, TimeProvider = time },
            server => server.MessageReceived += (_, e) =>
            {
                Assert.True(e.Client.TrySend(new byte[Size]).IsAccepted);
                client = e.Client;
            });
        // Far more than one segment of the loopback holds: below that, TCP itself makes the sender wait, for seconds.
        using Attacker slow = await server.OpenAsync(receiveBuffer: 512 * 1024);
        await slow.SendAsync(Attacker.Frame(0x82));
        await Polling.UntilAsync(() => client is not null);

        byte[] buffer = new byte[64 * 1024];
        int received = 0, waits = 0;
        // Until the system has the rest: what that still holds is not seen to be taken.
        for (long buffered; received < Size && (buffered = client!.UnsentBytes) > 0; waits++)
        {
            // The client may have read all before the server has counted its last write.
            while (received < Size && client.UnsentBytes == buffered)
            {
                int count = await slow.ReceiveAsync(buffer);
                Assert.NotEqual(0, count);
                received += count;
            }

            time.Advance(justLess);
            Assert.Empty(server.Left);
        }

        // All together it took far longer than a client may be silent.
        Assert.True(waits * justLess > 4 * patience, $"It got on {waits} times.");
    }
}
