using System.Net;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.Testing;
using WebSocketServerKit.TestKit;
using MemoryClient = WebSocketServerKit.Testing.TestClient;
using TestClient = WebSocketServerKit.TestKit.TestClient;

namespace WebSocketServerKit;

/// <summary>Functions that return a task are awaited as async handlers of the events of a path are.</summary>
public sealed class WebSocketPathHandlersTests
{
    [Fact]
    public async Task Every_way_to_write_a_function_is_taken()
    {
        bool hasLeft = false;
        await using TestServer server = await TestServer.StartAsync(server => server.Path("/p")
            .OnHandshaking(e => default(ValueTask))
            .OnHandshaking(e => Task.CompletedTask)
            .OnHandshaking(async e => await Task.Yield())
            .OnConnected((client, e) => client.SendAsync(e.Request.Path))
            .OnConnected((client, e) => Task.CompletedTask)
            .OnConnected(async (client, e) => await client.SendAsync("welcome"))
            .OnMessage((client, message) => client.SendAsync(message.Text))
            .OnMessage((client, message) => client.SendAsync(message.Text).AsTask())
            .OnMessage(async (client, message) => await client.SendAsync(message.Text))
            .OnDisconnected((client, e) => default(ValueTask))
            .OnDisconnected((client, e) => Task.CompletedTask)
            .OnDisconnected(async (client, e) =>
            {
                await Task.Yield();
                hasLeft = true;
            }));
        await using MemoryClient client = await server.Server.ConnectAsync("/p");
        await client.ExpectTextAsync("/p");
        await client.ExpectTextAsync("welcome");
        await client.SendAsync("x");
        for (int i = 0; i < 3; i++)
            await client.ExpectTextAsync("x");
        await client.CloseAsync();
        Assert.True(hasLeft);
    }

    [Fact]
    public async Task The_next_message_waits_for_the_functions_of_server_and_path()
    {
        TaskCompletionSource ofServer = Async.Gate();
        TaskCompletionSource ofPath = Async.Gate();
        List<string> seen = [];
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.OnMessage(async (_, message) =>
            {
                seen.Add($"server {message.Text}");
                await ofServer.Task;
            });
            server.Path("/").OnMessage(async (client, message) =>
            {
                seen.Add($"path {message.Text}");
                await ofPath.Task;
                await client.SendAsync(message.Text);
            });
        });
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync((byte[])[.. TestClient.Text("1"), .. TestClient.Text("2")]);
        ofPath.SetResult();
        Assert.Equal("1", await client.ReadTextAsync());
        Assert.Equal(["server 1", "path 1"], seen);
        ofServer.SetResult();
        Assert.Equal("2", await client.ReadTextAsync());
        Assert.Equal(["server 1", "path 1", "server 2", "path 2"], seen);
    }

    [Fact]
    public async Task A_decision_of_the_path_is_awaited()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Path("/{user}").OnHandshaking(async e =>
        {
            await Task.Yield();
            if (e.PathValues["user"] != "ann")
                e.Refuse(HttpStatusCode.Forbidden, $"not {e.MatchedPath}");
        }));
        await using MemoryClient ann = await server.Server.ConnectAsync("/ann");
        Assert.Equal("not /{user}", (await server.Server.ExpectRefusedAsync(HttpStatusCode.Forbidden, "/bob")).Body);
    }

    [Fact]
    public async Task What_a_function_of_a_path_throws_is_logged_and_closes_its_client()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.Path("/").OnMessage(async (_, _) =>
        {
            await Task.Yield();
            throw new InvalidDataException("bad order");
        }));
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        Assert.Equal(1011, (await client.ReadFrameAsync()).CloseCode);
        client.Dispose();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.HandlerFailed, "bad order"), (end.Cause, end.Exception?.Message));
        Assert.Contains(server.Log.All, line => line.Level == LogLevel.Error && line.Exception is InvalidDataException);
    }

    [Fact]
    public void Null_is_no_function()
    {
        using WebSocketServer server = new("http://localhost:0");
        WebSocketPath path = server.Path("/");
        Assert.Throws<ArgumentNullException>(() => path.OnMessage((Func<WebSocketClient, MessageReceivedEventArgs, Task>)null!));
        Assert.Throws<ArgumentNullException>(() => path.OnMessage((Func<WebSocketClient, MessageReceivedEventArgs, ValueTask>)null!));
        Assert.Throws<ArgumentNullException>(() => path.OnHandshaking((Func<HandshakingEventArgs, ValueTask>)null!));
        Assert.Throws<ArgumentNullException>(() => path.OnConnected((Func<WebSocketClient, ClientConnectedEventArgs, ValueTask>)null!));
        Assert.Throws<ArgumentNullException>(() => path.OnDisconnected((Func<WebSocketClient, ClientDisconnectedEventArgs, ValueTask>)null!));
    }
}
