using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

public class WebSocketServerMessageStreamsTests
{
    private static Task? NoTask => null;

    [Fact]
    public async Task There_is_one_function_that_reads_messages_for_they_can_be_read_only_once()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions());
        Assert.Throws<ArgumentNullException>(() => server.OnMessageStream((Func<WebSocketClient, MessageStream, ValueTask>)null!));
        Assert.Throws<ArgumentNullException>(() => server.OnMessageStream((Func<WebSocketClient, MessageStream, Task>)null!));
        Assert.Same(server, server.OnMessageStream((_, message) => message.CopyToAsync(Stream.Null)));
        Assert.Contains("only once", Assert.Throws<InvalidOperationException>(() => server.OnMessageStream(async (_, message) => await message.CopyToAsync(Stream.Null))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_function_that_returns_no_task_or_throws_closes_the_client_and_is_logged()
    {
        Func<WebSocketClient, MessageStream, Task>[] functions = [(_, _) => NoTask!, (_, _) => throw new FormatException("at once"), async (_, _) => { await Task.Yield(); throw new FormatException("later"); }];
        foreach (Func<WebSocketClient, MessageStream, Task> function in functions)
        {
            await using TestServer server = await TestServer.StartAsync(server => server.OnMessageStream(function), options => options.StreamMessagesFrom = 0);
            using TestClient client = await server.OpenAsync();
            await client.SendAsync("message");
            Assert.Equal(1011, (await client.ReadFrameAsync()).CloseCode);
            await client.SendCloseAsync(1011);
            await client.AssertEndAsync();
            Assert.Equal(DisconnectCause.HandlerFailed, (await server.NextEndAsync()).Cause);
            Assert.Contains("OnMessageStream", Assert.Single(server.Log.Of(10)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task With_KeepClient_an_exception_leaves_the_rest_of_the_message_unread_and_the_next_one_is_raised()
    {
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.OnMessageStream((_, _) => throw new FormatException());
                server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Text);
            },
            options =>
            {
                options.StreamMessagesFrom = 1_000;
                options.HandlerExceptions = HandlerExceptionPolicy.KeepClient;
            });
        using TestClient client = await server.OpenAsync();
        await client.SendAsync(new byte[2_000_000]);
        await client.SendAsync("next");
        Assert.Equal("next", await client.ReadTextAsync());
    }
}
