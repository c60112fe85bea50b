using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;

namespace WebSocketServerKit;

/// <summary>Random conversations with the client that the framework has: both ends see the same messages, and the same end.</summary>
public class FrameworkClientTests
{
    private static readonly int[] CloseCodes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999];

    private static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public async Task Agrees_with_the_framework(int seed)
    {
        Random random = new(seed);
        List<(WebSocketMessageType Type, byte[] Payload)> received = [];
        ConcurrentQueue<ClientDisconnectedEventArgs> left = [];
        await using WebSocketServer server = new(new IPEndPoint(IPAddress.Loopback, 0));
        server.MessageReceived += async (_, e) =>
        {
            received.Add((e.MessageType, e.ToArray()));
            // Half of the echoes are sent after an await, which holds back the next message.
            if (received.Count % 2 == 0)
                await Task.Yield();
            await e.Client.SendAsync(e.Payload, e.MessageType);
        };
        server.ClientDisconnected += (_, e) => left.Enqueue(e);
        await server.StartAsync(TestContext.Current.CancellationToken);

        using Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
        using WebSocket client = await ConnectAsync(socket, (IPEndPoint)server.EndPoints[0]);
        List<(WebSocketMessageType Type, byte[] Payload)> sent = [.. Enumerable.Range(0, 40).Select(_ => RandomMessage(random))];
        Task sending = Task.Run(() => SendAsync(client, sent, random), Timely);
        foreach ((WebSocketMessageType type, byte[] payload) in sent)
        {
            (WebSocketMessageType echoType, byte[] echo) = await ReceiveAsync(client);
            Assert.Equal(type, echoType);
            Assert.Equal(payload, echo);
        }

        await sending;
        Assert.Equal(sent.Select(message => message.Type), received.Select(message => message.Type));
        Assert.All(sent.Zip(received), pair => Assert.Equal(pair.First.Payload, pair.Second.Payload));

        var code = (WebSocketCloseStatus)CloseCodes[random.Next(CloseCodes.Length)];
        string reason = new('\u20AC', random.Next(42));
        bool byServer = seed % 2 == 0;
        if (byServer)
        {
            Task closing = server.Clients.Single().CloseAsync(code, reason, Timely);
            Assert.Equal(WebSocketMessageType.Close, (await client.ReceiveAsync(new byte[1], Timely)).MessageType);
            await client.CloseOutputAsync(client.CloseStatus!.Value, client.CloseStatusDescription, Timely);
            await closing;
        }
        else
        {
            await client.CloseAsync(code, reason, Timely);
        }

        // The answer to a Close carries the same code; its reason is the closer's too.
        Assert.Equal((code, reason), (client.CloseStatus, client.CloseStatusDescription ?? ""));
        Assert.Equal(WebSocketState.Closed, client.State);
        // The server waits for the end of the client's side.
        client.Dispose();
        await server.StopAsync(Timely);
        ClientDisconnectedEventArgs end = Assert.Single(left);
        Assert.Equal(
            (DisconnectCause.Closed, byServer ? ConnectionSide.Server : ConnectionSide.Client, code, reason, true),
            (end.Cause, end.ClosedBy, end.CloseCode, end.CloseReason, end.WasClean));
        Assert.Equal((40, 40, sent.Sum(message => message.Payload.Length)), (end.Client.MessagesReceived, end.Client.MessagesSent, end.Client.BytesReceived));
    }

    private static async Task<WebSocket> ConnectAsync(Socket socket, IPEndPoint endPoint)
    {
        await socket.ConnectAsync(endPoint, Timely);
        NetworkStream stream = new(socket, ownsSocket: true);
        await stream.WriteAsync(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"u8.ToArray(),
            Timely);
        StringBuilder head = new();
        byte[] octet = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(octet, Timely);
            head.Append((char)octet[0]);
        }

        Assert.StartsWith("HTTP/1.1 101 ", head.ToString());
        return WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = false, KeepAliveInterval = TimeSpan.FromMilliseconds(1) });
    }

    private static (WebSocketMessageType Type, byte[] Payload) RandomMessage(Random random)
    {
        int size = random.Next(4) switch { 0 => 0, 1 => random.Next(126), 2 => random.Next(66_000), _ => random.Next(300_000) };
        if (random.Next(2) == 0)
            return (WebSocketMessageType.Text, Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("z\u00FC\u20AC\U0001F600", size / 10))));
        byte[] payload = new byte[size];
        random.NextBytes(payload);
        return (WebSocketMessageType.Binary, payload);
    }

    private static async Task SendAsync(WebSocket client, List<(WebSocketMessageType Type, byte[] Payload)> messages, Random random)
    {
        foreach ((WebSocketMessageType type, byte[] payload) in messages)
        {
            int sent = 0;
            for (int more = random.Next(3) == 0 ? random.Next(1, 6) : 0; more > 0; more--)
            {
                // A cut may fall into the middle of a character.
                int end = random.Next(sent, payload.Length + 1);
                await client.SendAsync(payload.AsMemory(sent, end - sent), type, endOfMessage: false, Timely);
                sent = end;
            }

            await client.SendAsync(payload.AsMemory(sent), type, endOfMessage: true, Timely);
        }
    }

    private static async Task<(WebSocketMessageType Type, byte[] Payload)> ReceiveAsync(WebSocket client)
    {
        ArrayBufferWriter<byte> message = new();
        while (true)
        {
            ValueWebSocketReceiveResult result = await client.ReceiveAsync(message.GetMemory(16 * 1024), Timely);
            message.Advance(result.Count);
            if (result.EndOfMessage)
                return (result.MessageType, message.WrittenSpan.ToArray());
        }
    }
}
