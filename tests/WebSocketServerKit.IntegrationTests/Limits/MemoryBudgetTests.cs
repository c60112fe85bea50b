using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Limits;

/// <summary>What all clients together may make the server hold.</summary>
public class MemoryBudgetTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task However_many_clients_send_half_a_message_the_server_holds_no_more_than_it_may(bool compressed)
    {
        const int Limit = 16 * 1024 * 1024;
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            TestServer.LookOften(options);
            options.MaxBufferedBytes = Limit;
            options.PerMessageDeflate = new PerMessageDeflateOptions();
        });
        long most = 0;
        List<TestClient> clients = [];
        for (int i = 0; i < 60; i++)
        {
            TestClient client = await TestClient.ConnectAsync(server.EndPoint);
            clients.Add(client);
            await client.WriteAsync(TestClient.Request("/", compressed ? ["Sec-WebSocket-Extensions: permessage-deflate"] : []));
            await client.ReadAnswerAsync();
            await client.WriteAsync(compressed ? CompressedHalf() : TestClient.Frame(Opcode.Binary, new byte[700_000], fin: false));
            most = Math.Max(most, server.Server.BufferedBytes);
        }

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.MemoryBudgetExceeded, 1013), (end.Cause, (int)end.CloseCode));
        // What is just arriving makes it more. They send 40 MiB.
        Assert.InRange(most, 0, Limit + 8 * 1024 * 1024);
        Assert.Single(server.Log.Of(14));

        // Others are still served.
        await Polling.UntilAsync(() => server.Server.BufferedBytes <= Limit);
        using TestClient other = await server.OpenAsync();
        await other.SendAsync("hello");
        Assert.Equal("hello", await other.ReadTextAsync());
        clients.ForEach(client => client.Dispose());
    }

    // 700,000 zeros, less than a kilobyte of them, in a message that goes on.
    private static byte[] CompressedHalf()
    {
        using var deflated = new MemoryStream();
        using (var deflate = new System.IO.Compression.DeflateStream(deflated, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(new byte[700_000]);
            deflate.Flush();
            byte[] frame = TestClient.Frame(Opcode.Binary, deflated.ToArray(), fin: false);
            frame[0] |= 0x40;
            return frame;
        }
    }

    [Fact]
    public async Task What_the_server_holds_is_told_and_is_nothing_when_nobody_sends()
    {
        await using TestServer server = await TestServer.StartEchoAsync(TestServer.LookOften);
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[100_000], fin: false));
        await Polling.UntilAsync(() => server.Server.BufferedBytes >= 100_000);
        await client.WriteAsync(TestClient.Frame(Opcode.Continuation, []));
        await client.SkipAsync(100_010);
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0);
        await server.Server.StopAsync(new CancellationToken(canceled: true));
        Assert.Equal(0, server.Server.BufferedBytes);
    }
}
