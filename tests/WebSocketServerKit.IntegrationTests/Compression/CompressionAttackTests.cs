using System.IO.Compression;
using WebSocketServerKit.Load;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Compression;

[Collection(nameof(MeasuresTheWholeProcess))]
public class CompressionAttackTests
{
    private const int Limit = 1 << 20;
    private const byte Rsv1 = 0x40;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_bomb_costs_about_the_limit_and_not_what_it_would_inflate_to(bool fragmented)
    {
        byte[] bomb = Bomb(inflated: 256 << 20);
        Assert.InRange(bomb.Length, 1, (256 << 20) / 1_000);
        byte[] frames = fragmented
            ? [.. bomb.Chunk(1_000).SelectMany((piece, i) => Compressed(i == 0 ? Opcode.Binary : Opcode.Continuation, piece, fin: false))]
            : Compressed(Opcode.Binary, bomb);
        await using TestServer server = await StartAsync();
        using TestClient client = await OpenAsync(server);

        long before = GC.GetTotalAllocatedBytes(precise: true);
        await client.WriteAsync(frames);
        await client.AssertClosedAsync(1009, "message too big");
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        // A buffer that grows by doubling, and what else the process does.
        Assert.InRange(allocated, 0, 3 * Limit);
        Assert.Equal(DisconnectCause.LimitExceeded, (await server.NextEndAsync()).Cause);
    }

    [Fact]
    public async Task RSV1_is_a_broken_rule_without_agreement()
    {
        await using TestServer server = await StartAsync();
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync(Compressed(Opcode.Text, [0]));
        await client.AssertClosedAsync(1002, "reserved bit set without an extension");
    }

    [Fact]
    public async Task Garbage_harms_nobody_and_gives_its_context_back()
    {
        // One context in all, which is free again in the end.
        await using TestServer server = await StartAsync(maxContexts: 1);
        Random random = new(7692);
        int invalid = 0;
        for (int i = 0; i < 100; i++)
        {
            byte[] garbage = new byte[random.Next(1, 2_000)];
            random.NextBytes(garbage);
            // A block of the type that there is not.
            garbage[0] |= 0x06;
            using TestClient client = await OpenAsync(server);
            await client.WriteAsync(Compressed(Opcode.Binary, garbage));
            await client.AssertClosedAsync(1007, "compressed data is invalid");
            if ((await server.NextEndAsync()).Cause == DisconnectCause.ProtocolViolation)
                invalid++;
        }

        Assert.Equal(100, invalid);
        CancellationToken timely = TestServer.Timely;
        bool free = false;
        while (!free)
        {
            timely.ThrowIfCancellationRequested();
            using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            free = await HandshakeAsync(client) == "permessage-deflate";
        }
    }

    private static Task<TestServer> StartAsync(int maxContexts = 1_000) => TestServer.StartEchoAsync(options =>
    {
        options.MaxMessageSize = Limit;
        options.PerMessageDeflate = new() { ServerContextTakeover = true, ClientContextTakeover = true, MaxContexts = maxContexts };
    });

    private static async Task<TestClient> OpenAsync(TestServer server)
    {
        TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        Assert.StartsWith("permessage-deflate", await HandshakeAsync(client));
        return client;
    }

    private static async Task<string> HandshakeAsync(TestClient client)
    {
        await client.WriteAsync(TestClient.Request("/", "Sec-WebSocket-Extensions: permessage-deflate"));
        return (await client.ReadAnswerAsync()).Headers["Sec-WebSocket-Extensions"];
    }

    private static byte[] Compressed(Opcode opcode, ReadOnlySpan<byte> payload, bool fin = true)
    {
        byte[] frame = TestClient.Frame(opcode, payload, fin);
        if (opcode != Opcode.Continuation)
            frame[0] |= Rsv1;
        return frame;
    }

    private static byte[] Bomb(int inflated)
    {
        using var compressed = new MemoryStream();
        using (var deflate = new DeflateStream(compressed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            byte[] zeros = new byte[Limit];
            for (int written = 0; written < inflated; written += zeros.Length)
                deflate.Write(zeros);
        }

        return compressed.ToArray();
    }
}
