using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

public class WebSocketPathMessageStreamsTests
{
    [Fact]
    public async Task A_path_reads_large_messages_with_its_own_function_and_others_with_that_of_the_server()
    {
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.OnMessageStream(async (client, message) => await client.SendAsync($"server {await LengthAsync(message)}"));
                server.Path("/files", new PathOptions { StreamMessagesFrom = 1_000 }).OnMessageStream(async (client, message) => await client.SendAsync($"files {await LengthAsync(message)}"));
                server.Path("/{*rest}").MessageReceived += async (_, e) => await e.Client.SendAsync($"whole {e.Payload.Length}");
            },
            options => options.StreamMessagesFrom = 2_000);
        using TestClient files = await server.OpenAsync("/files");
        using TestClient other = await server.OpenAsync("/other");
        await files.SendAsync(new byte[1_000]);
        await other.SendAsync(new byte[1_000]);
        await other.SendAsync(new byte[2_000]);
        Assert.Equal("files 1000", await files.ReadTextAsync());
        Assert.Equal("whole 1000", await other.ReadTextAsync());
        Assert.Equal("server 2000", await other.ReadTextAsync());
    }

    [Fact]
    public async Task A_path_has_one_function_that_reads_messages()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions());
        WebSocketPath path = server.Path("/files");
        Assert.Throws<ArgumentNullException>(() => path.OnMessageStream((Func<WebSocketClient, MessageStream, ValueTask>)null!));
        Assert.Throws<ArgumentNullException>(() => path.OnMessageStream((Func<WebSocketClient, MessageStream, Task>)null!));
        Assert.Same(path, path.OnMessageStream((_, message) => message.CopyToAsync(Stream.Null)));
        Assert.Contains("/files", Assert.Throws<InvalidOperationException>(() => path.OnMessageStream(async (_, message) => await message.CopyToAsync(Stream.Null))).Message, StringComparison.Ordinal);
    }

    private static async Task<int> LengthAsync(Stream message)
    {
        using MemoryStream copy = new();
        await message.CopyToAsync(copy);
        return (int)copy.Length;
    }
}
