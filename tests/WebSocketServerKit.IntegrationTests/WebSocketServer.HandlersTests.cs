using System.Net;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.Testing;
using WebSocketServerKit.TestKit;
using TestClient = WebSocketServerKit.TestKit.TestClient;

namespace WebSocketServerKit;

/// <summary>Functions that return a task are awaited as async handlers of the events are.</summary>
public sealed class WebSocketServerHandlersTests
{
    [Fact]
    public async Task Every_way_to_write_a_function_is_taken()
    {
        await using TestServer server = await TestServer.StartAsync(server => server
            .OnHandshaking(e => default(ValueTask))
            .OnHandshaking(e => Task.CompletedTask)
            .OnHandshaking(async e => await Task.Yield())
            .OnConnected((client, e) => client.SendAsync(e.Request.Path))
            .OnConnected((client, e) => Task.CompletedTask)
            .OnConnected(async (client, e) => await client.SendAsync("welcome"))
            .OnMessage((client, message) => client.SendAsync(message.Text))
            .OnMessage(async (client, message) => await client.SendAsync(message.Text))
            .OnMessage(EchoAsync)
            .OnDisconnected((client, e) => default(ValueTask))
            .OnDisconnected((client, e) => Task.CompletedTask)
            .OnHttpRequest(e => default(ValueTask))
            .OnHttpRequest(e => Task.CompletedTask));
        using TestClient client = await server.OpenAsync("/p");
        Assert.Equal("/p", await client.ReadTextAsync());
        Assert.Equal("welcome", await client.ReadTextAsync());
        await client.SendAsync("x");
        for (int i = 0; i < 3; i++)
            Assert.Equal("x", await client.ReadTextAsync());

        static async Task EchoAsync(WebSocketClient client, MessageReceivedEventArgs message)
        {
            await Task.Yield();
            await client.SendAsync(message.Payload, message.MessageType);
        }
    }

    [Fact]
    public async Task The_next_message_waits_for_the_function_and_the_payload_stays_valid()
    {
        TaskCompletionSource go = Async.Gate();
        List<string> seen = [];
        await using TestServer server = await TestServer.StartAsync(server => server.OnMessage(async (client, message) =>
        {
            seen.Add($"begin {message.Text}");
            await go.Task;
            seen.Add($"end {message.Text}");
            await client.SendAsync("done");
        }));
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync((byte[])[.. TestClient.Text("1"), .. TestClient.Text("2")]);
        go.SetResult();
        Assert.Equal("done", await client.ReadTextAsync());
        Assert.Equal("done", await client.ReadTextAsync());
        Assert.Equal(["begin 1", "end 1", "begin 2", "end 2"], seen);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_function_throws_is_logged_and_closes_its_client(bool later)
    {
        await using TestServer server = await TestServer.StartAsync(server => server.OnMessage(async (_, _) =>
        {
            if (later)
                await Task.Yield();
            throw new InvalidDataException("bad order");
        }));
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        Assert.Equal(1011, (await client.ReadFrameAsync()).CloseCode);
        ClientDisconnectedEventArgs end = await EndAsync(server, client);
        Assert.Equal((DisconnectCause.HandlerFailed, "bad order"), (end.Cause, end.Exception?.Message));
        Assert.Contains(server.Log.All, line => line.Level == LogLevel.Error && line.Exception is InvalidDataException);
    }

    [Fact]
    public async Task A_function_that_returns_null_is_a_failed_handler()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.OnMessage(NoTask));
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        Assert.Equal(1011, (await client.ReadFrameAsync()).CloseCode);
        Assert.Contains("returned null", (await EndAsync(server, client)).Exception?.Message, StringComparison.Ordinal);

#pragma warning disable MA0022 // this is the mistake of a host
        static Task NoTask(WebSocketClient client, MessageReceivedEventArgs message) => null!;
#pragma warning restore MA0022
    }

    [Fact]
    public async Task The_decision_about_a_request_is_awaited()
    {
        await using TestServer server = await TestServer.StartAsync(server => server
            .OnHandshaking(async e =>
            {
                await Task.Yield();
                if (e.Request.Path == "/fails")
                    throw new InvalidDataException();
                e.Refuse(HttpStatusCode.Unauthorized);
            })
            .OnHttpRequest(async e =>
            {
                await Task.Yield();
                e.Respond(HttpStatusCode.OK, "alive");
            }));
        await server.Server.ExpectRefusedAsync(HttpStatusCode.Unauthorized);
        await server.Server.ExpectRefusedAsync(HttpStatusCode.InternalServerError, "/fails");
        using HttpClient http = server.Server.CreateHttpClient();
        Assert.Equal("alive", await http.GetStringAsync("/", TestServer.Timely));
    }

    [Fact]
    public async Task The_stop_of_the_server_waits_for_a_function_that_goes_on_after_a_client_has_left()
    {
        TaskCompletionSource go = Async.Gate();
        TaskCompletionSource began = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.OnDisconnected(async (_, _) =>
        {
            began.SetResult();
            await go.Task;
        }));
        using TestClient client = await server.OpenAsync();
        client.Reset();
        await began.Task.Timely();
        Task<StopResult> stop = server.Server.StopAsync(TestServer.Timely);
        Assert.False(stop.IsCompleted);
        go.SetResult();
        Assert.Equal(0, (await stop).Unfinished);
    }

    [Fact]
    public void Null_is_no_function()
    {
        using WebSocketServer server = new("http://localhost:0");
        Assert.Throws<ArgumentNullException>(() => server.OnMessage((Func<WebSocketClient, MessageReceivedEventArgs, Task>)null!));
        Assert.Throws<ArgumentNullException>(() => server.OnMessage((Func<WebSocketClient, MessageReceivedEventArgs, ValueTask>)null!));
    }

    private static async Task<ClientDisconnectedEventArgs> EndAsync(TestServer server, TestClient client)
    {
        client.Dispose();
        return await server.NextEndAsync();
    }
}
