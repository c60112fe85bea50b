using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Attacks;

/// <summary>A reset may come at any moment: whoever came leaves once, and nobody else notices.</summary>
[Collection(nameof(AttackedServer))]
public class ResetAttackTests
{
    private const int Times = 25;

    [Fact]
    public async Task In_the_handshake()
    {
        await using AttackedServer server = await AttackedServer.StartAsync();
        for (int length = 0; length <= Attacker.Request.Length; length += 7)
        {
            using Attacker attacker = await server.ConnectAsync();
            await attacker.SendAsync(Attacker.Request[..length]);
            attacker.Reset();
        }

        await server.AssertServesOthersAsync();
    }

    [Fact]
    public async Task While_a_handler_decides_about_the_handshake()
    {
        TaskCompletionSource decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int asked = 0;
        await using AttackedServer server = await AttackedServer.StartAsync(subscribe: server => server.Handshaking += async (_, _) =>
        {
            Interlocked.Increment(ref asked);
            await decided.Task;
        });
        for (int i = 0; i < Times; i++)
        {
            using Attacker attacker = await server.ConnectAsync();
            await attacker.SendAsync(Attacker.Request);
            await Polling.UntilAsync(() => asked == i + 1);
            attacker.Reset();
        }

        decided.SetResult();
    }

    [Theory]
    [InlineData(0)] // between frames
    [InlineData(1)] // in the first bytes of the header
    [InlineData(4)] // in its length
    [InlineData(50)] // in the payload
    public async Task In_a_frame(int length)
    {
        await using AttackedServer server = await AttackedServer.StartAsync();
        byte[] frame = Attacker.Frame(0x81, new byte[300]);
        for (int i = 0; i < Times; i++)
        {
            using Attacker attacker = await server.OpenAsync();
            await attacker.SendAsync(frame.AsMemory(0, length));
            attacker.Reset();
        }

        await server.WhenLeftAsync(Times);
        Assert.All(server.Left, left => Assert.Equal((DisconnectCause.ConnectionLost, 1006, false), (left.Cause, (int)left.CloseCode, left.WasClean)));
        await server.AssertServesOthersAsync();
    }

    [Fact]
    public async Task Behind_a_Close()
    {
        await using AttackedServer server = await AttackedServer.StartAsync();
        for (int i = 0; i < Times; i++)
        {
            using Attacker attacker = await server.OpenAsync();
            await attacker.SendAsync(Attacker.CloseFrame(1001));
            attacker.Reset();
        }

        await server.WhenLeftAsync(Times);
        Assert.All(server.Left, left => Assert.Contains((int)left.CloseCode, new[] { 1001, 1006 }));
        await server.AssertServesOthersAsync();
    }

    [Fact]
    public async Task While_a_handler_runs()
    {
        int running = 0;
        TaskCompletionSource goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using AttackedServer server = await AttackedServer.StartAsync(subscribe: server => server.MessageReceived += async (_, e) =>
        {
            Interlocked.Increment(ref running);
            await goOn.Task;
            // What it was given is still its own, and sending to one who has gone is no error of the server.
            Assert.Equal(3, e.Payload.Length);
            await e.Client.SendAsync("too late");
        });
        for (int i = 0; i < Times; i++)
        {
            using Attacker attacker = await server.OpenAsync();
            await attacker.SendAsync(Attacker.Frame(0x82, [1, 2, 3]));
            await Polling.UntilAsync(() => running == i + 1);
            attacker.Reset();
        }

        Assert.Empty(server.Left);
        goOn.SetResult();
        await server.WhenLeftAsync(Times);
    }

    [Fact]
    public async Task While_the_server_writes()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(subscribe: server => server.ClientConnected += (_, e) =>
            e.Client.TrySend(new byte[8 * 1024 * 1024]));
        for (int i = 0; i < Times; i++)
        {
            using Attacker attacker = await server.OpenAsync(receiveBuffer: 4096);
            await attacker.Socket.ReceiveAsync(new byte[1_000], AttackedServer.Timely);
            attacker.Reset();
        }

        await server.WhenLeftAsync(Times);
        Assert.All(server.Left, left => Assert.Equal(DisconnectCause.ConnectionLost, left.Cause));
    }

    [Fact]
    public async Task While_a_handler_goes_on_sending()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(subscribe: server => server.MessageReceived += async (_, e) =>
        {
            while (true)
                await e.Client.SendAsync(new byte[1_000]);
        });
        for (int i = 0; i < Times; i++)
        {
            using Attacker attacker = await server.OpenAsync();
            await attacker.SendAsync(Attacker.Frame(0x82));
            await attacker.ReceiveFrameAsync();
            attacker.Reset();
        }

        await server.WhenLeftAsync(Times);
        Assert.All(server.Left, left => Assert.Equal(DisconnectCause.ConnectionLost, left.Cause));
    }

    [Fact]
    public async Task While_the_server_waits_for_the_answer_to_its_Close()
    {
        await using AttackedServer server = await AttackedServer.StartAsync(subscribe: server => server.MessageReceived += async (_, e) =>
            await e.Client.CloseAsync());
        for (int i = 0; i < Times; i++)
        {
            using Attacker attacker = await server.OpenAsync();
            await attacker.SendAsync(Attacker.Frame(0x82));
            Assert.Equal(1000, await attacker.ReceiveCloseCodeAsync());
            attacker.Reset();
        }

        await server.WhenLeftAsync(Times);
        Assert.All(server.Left, left => Assert.Equal((ConnectionSide.Server, false), (left.ClosedBy, left.WasClean)));
    }

    [Fact]
    public async Task At_any_moment_of_a_busy_exchange()
    {
        await using AttackedServer server = await AttackedServer.StartAsync();
        Random random = new(20260101);
        byte[] burst = [.. Enumerable.Range(0, 200).SelectMany(i => Attacker.Frame(i % 7 == 0 ? (byte)0x89 : (byte)0x82, new byte[i % 7 == 0 ? 20 : i * 5]))];
        for (int i = 0; i < 100; i++)
        {
            using Attacker attacker = await server.OpenAsync();
            await attacker.TrySendAsync(burst.AsMemory(0, random.Next(burst.Length)));
            if (i % 2 == 0)
                await attacker.Socket.ReceiveAsync(new byte[random.Next(1, 2_000)], AttackedServer.Timely);
            attacker.Reset();
        }

        await server.AssertServesOthersAsync();
        await server.WhenLeftAsync(101);
    }
}
