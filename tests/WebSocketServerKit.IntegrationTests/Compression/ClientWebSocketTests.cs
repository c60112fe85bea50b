using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Compression;

/// <summary>permessage-deflate with the client that the framework has.</summary>
public class ClientWebSocketTests
{
    private static readonly int[] Sizes = [0, 1, 125, 126, 255, 4_096, 65_536, 1 << 20];

    public static TheoryData<bool, bool, int, int> Parameters()
    {
        TheoryData<bool, bool, int, int> parameters = [];
        foreach (bool serverContext in (bool[])[false, true])
        {
            foreach (bool clientContext in (bool[])[false, true])
            {
                for (int bits = 9; bits <= 15; bits++)
                    parameters.Add(serverContext, clientContext, bits, bits);
                parameters.Add(serverContext, clientContext, 9, 15);
                parameters.Add(serverContext, clientContext, 15, 9);
            }
        }

        return parameters;
    }

    [Theory]
    [MemberData(nameof(Parameters))]
    public async Task Messages_come_back_as_they_went_whatever_the_client_asks_for(bool serverContext, bool clientContext, int serverBits, int clientBits)
    {
        await using TestServer server = await Interop.StartPiecewiseEchoAsync(Interop.Everything);
        using ClientWebSocket client = await server.ConnectWebSocketAsync(configure: options => options.DangerousDeflateOptions = new()
        {
            ServerContextTakeover = serverContext,
            ClientContextTakeover = clientContext,
            ServerMaxWindowBits = serverBits,
            ClientMaxWindowBits = clientBits,
        });
        string agreed = (await server.NextClientAsync()).Extensions!;
        Assert.StartsWith("permessage-deflate", agreed);
        Assert.Equal(!serverContext || serverBits < 15, agreed.Contains("server_no_context_takeover", StringComparison.Ordinal));
        Assert.Equal(!clientContext, agreed.Contains("client_no_context_takeover", StringComparison.Ordinal));
        Assert.Equal(serverBits < 15, agreed.Contains($"server_max_window_bits={serverBits}", StringComparison.Ordinal));
        Assert.Equal(clientBits < 15, agreed.Contains($"client_max_window_bits={clientBits}", StringComparison.Ordinal));

        Random random = new(serverBits * 16 + clientBits);
        foreach (int size in Sizes.Concat(Sizes))
        {
            await ExchangeAsync(client, WebSocketMessageType.Text, Interop.Text(size, random.Next()), random);
            await ExchangeAsync(client, WebSocketMessageType.Binary, Interop.Binary(size, random.Next()), random);
        }

        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, null, TestServer.Timely);
        Assert.True((await server.NextEndAsync()).WasClean);
    }

    [Fact]
    public async Task A_thousand_messages_with_context_takeover_come_back_in_order()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.PerMessageDeflate = Interop.Everything);
        using ClientWebSocket client = await server.ConnectWebSocketAsync(configure: options => options.DangerousDeflateOptions = new());
        Assert.Equal("permessage-deflate", (await server.NextClientAsync()).Extensions);

        byte[][] messages = [.. Enumerable.Range(0, 1_000).Select(i => Interop.Text(i * 7 % 1_500, i))];
        Task sending = Task.Run(async () =>
        {
            foreach (byte[] message in messages)
                await client.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, TestServer.Timely);
        }, TestServer.Timely);
        foreach (byte[] message in messages)
            Assert.Equal(message, (await client.ReceiveAsync()).Payload);
        await sending;
    }

    [Fact]
    public async Task The_host_asks_for_less_than_the_client_offers_and_gets_it()
    {
        await using TestServer server = await TestServer.StartEchoAsync(
            options => options.PerMessageDeflate = new() { ServerMaxWindowBits = 10, ClientMaxWindowBits = 11, MinMessageSize = 0 });
        using ClientWebSocket client = await server.ConnectWebSocketAsync(configure: options => options.DangerousDeflateOptions = new());
        Assert.Equal(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11",
            (await server.NextClientAsync()).Extensions);
        Random random = new(1);
        foreach (int size in Sizes)
            await ExchangeAsync(client, WebSocketMessageType.Text, Interop.Text(size, random.Next()), random);
    }

    [Fact]
    public async Task Without_the_option_or_without_an_offer_nothing_is_agreed_on()
    {
        await using TestServer without = await TestServer.StartEchoAsync();
        using ClientWebSocket offering = await without.ConnectWebSocketAsync(configure: options => options.DangerousDeflateOptions = new());
        Assert.Null((await without.NextClientAsync()).Extensions);
        await ExchangeAsync(offering, WebSocketMessageType.Text, Interop.Text(1_000, 1), new Random(1));

        await using TestServer with = await TestServer.StartEchoAsync(options => options.PerMessageDeflate = new());
        using ClientWebSocket silent = await with.ConnectWebSocketAsync();
        Assert.Null((await with.NextClientAsync()).Extensions);
        await ExchangeAsync(silent, WebSocketMessageType.Text, Interop.Text(1_000, 1), new Random(1));
    }

    [Fact]
    public async Task A_broadcast_reaches_clients_with_different_parameters_and_with_none_in_order()
    {
        const int Messages = 60;
        await using TestServer server = await TestServer.StartAsync(configure: options =>
        {
            options.PerMessageDeflate = Interop.Everything;
            options.SendQueueLimit = 64 << 20;
        });
        WebSocketDeflateOptions?[] parameters =
        [
            null, new(), new(), new() { ServerContextTakeover = false }, new() { ServerMaxWindowBits = 9 }, new() { ServerMaxWindowBits = 12, ClientMaxWindowBits = 9 },
            new() { ServerContextTakeover = false, ClientContextTakeover = false },
        ];
        List<ClientWebSocket> clients = [];
        foreach (WebSocketDeflateOptions? one in parameters)
        {
            clients.Add(await server.ConnectWebSocketAsync(configure: options => options.DangerousDeflateOptions = one));
            await server.NextClientAsync();
        }

        string[] messages = [.. Enumerable.Range(0, Messages).Select(i => Encoding.UTF8.GetString(Interop.Text(i * i * 3, i)))];
        for (int i = 0; i < Messages; i++)
        {
            // A broadcast, a broadcast that is not to be compressed, and one by one: they follow each other in one context.
            if (i % 3 == 2)
            {
                foreach (WebSocketClient client in server.Clients)
                    Assert.True(client.TrySend(messages[i]).IsAccepted);
            }
            else
            {
                Assert.Equal(parameters.Length, server.Clients.Broadcast(messages[i], new SendOptions { DisableCompression = i % 3 != 0 }).Accepted);
            }
        }

        foreach (ClientWebSocket client in clients)
        {
            foreach (string message in messages)
                Assert.Equal(message, Encoding.UTF8.GetString((await client.ReceiveAsync()).Payload));
            client.Dispose();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Messages_that_are_written_while_they_are_sent_and_whole_ones_follow_each_other_in_one_context(bool contextTakeover)
    {
        const int Messages = 100;
        await using TestServer server = await TestServer.StartAsync(configure: options => options.PerMessageDeflate = Interop.Everything);
        using ClientWebSocket client = await server.ConnectWebSocketAsync(
            configure: options => options.DangerousDeflateOptions = new() { ServerContextTakeover = contextTakeover });
        WebSocketClient connection = await server.NextClientAsync();

        byte[][] messages = [.. Enumerable.Range(0, 2 * Messages).Select(i => Interop.Text(i * 700, i % 5))];
        Task sending = Task.Run(
            async () =>
            {
                for (int i = 0; i < messages.Length; i += 2)
                {
                    byte[] streamed = messages[i], whole = messages[i + 1];
                    await connection.SendAsync(
                        async message =>
                        {
                            await message.WriteAsync(streamed.AsMemory(0, streamed.Length / 2));
                            await message.FlushAsync();
                            // It goes behind the one that is being written.
                            await connection.SendAsync(whole, WebSocketMessageType.Text, TestServer.Timely);
                            await message.WriteAsync(streamed.AsMemory(streamed.Length / 2));
                        },
                        WebSocketMessageType.Text,
                        cancellationToken: TestServer.Timely);
                }
            },
            TestServer.Timely);
        foreach (byte[] message in messages)
            Assert.Equal(message, (await client.ReceiveAsync()).Payload);
        await sending;
        Assert.Equal((messages.Length, messages.Sum(message => message.Length)), (connection.MessagesSent, connection.BytesSent));
    }

    private static async Task ExchangeAsync(ClientWebSocket client, WebSocketMessageType type, byte[] message, Random random)
    {
        WebSocketMessageFlags flags = random.Next(4) == 0 ? WebSocketMessageFlags.DisableCompression : WebSocketMessageFlags.None;
        // In a task of its own: a large echo has to be read while the rest is still being sent.
        Task sending = Task.Run(async () =>
        {
            int sent = 0;
            for (int more = random.Next(4); more > 0; more--)
            {
                int end = random.Next(sent, message.Length + 1);
                await client.SendAsync(message.AsMemory(sent..end), type, flags, TestServer.Timely);
                sent = end;
            }

            await client.SendAsync(message.AsMemory(sent), type, flags | WebSocketMessageFlags.EndOfMessage, TestServer.Timely);
        });
        (WebSocketMessageType echoType, byte[] echo) = await client.ReceiveAsync();
        await sending;
        Assert.Equal(type, echoType);
        Assert.True(message.AsSpan().SequenceEqual(echo), $"{message.Length} bytes came back changed, or as {echo.Length}.");
    }
}
