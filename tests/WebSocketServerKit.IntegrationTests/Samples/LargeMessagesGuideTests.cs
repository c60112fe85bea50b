using System.Net.WebSockets;
using System.Text.Json;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Samples;

/// <summary>The code of docs/large-messages.md, compiled and run here as it stands there.</summary>
public class LargeMessagesGuideTests
{
    private readonly List<string> _imported = [];

    private Task ImportAsync(string line)
    {
        _imported.Add(line);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task A_large_message_is_stored_in_a_file_and_clients_have_values_of_their_own()
    {
        string path = Path.GetTempFileName();
        await using TestServer running = await TestServer.StartAsync(server =>
        {
            server.Handshaking += (_, e) =>
            {
                e.Options.StreamMessagesFrom = e.Request.Path == "/upload" ? 0 : long.MaxValue; // never
                e.Options.MaxStreamedMessageSize = 5_000_000_000;
            };
        });
        (WebSocketServer server, WebSocketServerOptions options) = (running.Server, running.Options);
        options.StreamMessagesFrom = 64 * 1024;
        server.OnMessageStream(async (client, message) =>
        {
            await using FileStream file = File.Create(path);
            await message.CopyToAsync(file);
            await client.SendAsync("stored");
        });
        server.Change(options);
        using TestClient client = await running.OpenAsync("/upload");
        await client.SendAsync(new byte[3_000_000]);
        Assert.Equal("stored", await client.ReadTextAsync());
        await client.LeaveAsync();
        Assert.Equal(3_000_000, new FileInfo(path).Length);
        File.Delete(path);
    }

    [Fact]
    public async Task A_text_is_read_line_by_line()
    {
        await using TestServer running = await TestServer.StartAsync(
            server =>
            {
                server.OnMessageStream(async (client, message) =>
                {
                    using StreamReader reader = new(message);
                    while (await reader.ReadLineAsync() is { } line)
                        await ImportAsync(line);
                });
            },
            options => options.StreamMessagesFrom = 0);
        using TestClient client = await running.OpenAsync();
        await client.SendAsync("a\nb");
        await client.LeaveAsync();
        await running.NextEndAsync();
        Assert.Equal(["a", "b"], _imported);
    }

    [Fact]
    public async Task Large_messages_are_sent_from_a_file_a_serializer_and_a_writer()
    {
        string path = Path.GetTempFileName();
        await File.WriteAllBytesAsync(path, new byte[200_000], TestServer.Timely);
        int[] report = [1, 2, 3];
        IAsyncEnumerable<string> rows = RowsAsync();
        await using TestServer running = await TestServer.StartAsync();
        using ClientWebSocket receiver = await running.ConnectWebSocketAsync();
        WebSocketClient client = await running.NextClientAsync();
        Task sending = SendAsync();
        Assert.Equal(200_000, (await ReceiveAsync()).Length);
        Assert.Equal("[1,2,3]", System.Text.Encoding.UTF8.GetString(await ReceiveAsync()));
        Assert.Equal(string.Concat(Enumerable.Range(0, 1000).Select(i => $"{i}{Environment.NewLine}")), System.Text.Encoding.UTF8.GetString(await ReceiveAsync()));
        await sending.WaitAsync(TestServer.Timely);
        File.Delete(path);

        async Task SendAsync()
        {
            await using FileStream file = File.OpenRead(path);
            await client.SendAsync(file);
            await client.SendAsync((message, token) => JsonSerializer.SerializeAsync(message, report, cancellationToken: token), WebSocketMessageType.Text);
            await client.SendAsync(
                async message =>
                {
                    await using StreamWriter writer = new(message);
                    await foreach (string row in rows)
                        await writer.WriteLineAsync(row);
                },
                WebSocketMessageType.Text);
        }

        async Task<byte[]> ReceiveAsync()
        {
            using MemoryStream message = new();
            byte[] buffer = new byte[10_000];
            ValueWebSocketReceiveResult received;
            do
            {
                received = await receiver.ReceiveAsync(buffer.AsMemory(), TestServer.Timely);
                message.Write(buffer, 0, received.Count);
            }
            while (!received.EndOfMessage);
            return message.ToArray();
        }
    }

    [Fact]
    public void Every_block_of_the_guide_is_code_of_this_file() =>
        GuideCode.AssertIsIn("docs/large-messages.md", 4, "tests/WebSocketServerKit.IntegrationTests/Samples/LargeMessagesGuideTests.cs");

    private static async IAsyncEnumerable<string> RowsAsync()
    {
        for (int i = 0; i < 1000; i++)
        {
            if (i % 100 == 0)
                await Task.Yield();
            yield return $"{i}";
        }
    }
}
