using System.Net;
using System.Net.WebSockets;
using Consumers.Hosts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using WebSocketServerKit;
using WebSocketServerKit.Testing;
using InMemoryClient = WebSocketServerKit.Testing.TestClient;

namespace Consumers;

/// <summary>Applications as their authors write them: that they compile against the package is half of the promise, that they work is the other.</summary>
public sealed class HostTests
{
    [Fact]
    public async Task A_chat_has_rooms_and_throws_out_who_misbehaves()
    {
        await using ChatRooms chat = new("http://127.0.0.1:0");
        await chat.StartAsync();
        using TestClient ann = await TestClient.ConnectAsync(chat.EndPoint, "/chat/red?name=ann");
        Assert.Equal("ann came in", await ann.ReadTextAsync());
        using TestClient ben = await TestClient.ConnectAsync(chat.EndPoint, "/chat/blue?name=ben");
        Assert.Equal("ben came in", await ben.ReadTextAsync());
        using TestClient cid = await TestClient.ConnectAsync(chat.EndPoint, "/chat/red?name=cid");
        Assert.Equal("cid came in", await ann.ReadTextAsync());
        Assert.Equal("cid came in", await cid.ReadTextAsync());
        await cid.SendAsync("hello");
        Assert.Equal("cid says hello", await ann.ReadTextAsync());
        Assert.Equal("cid says hello", await cid.ReadTextAsync());

        Task thrownOut = chat.ThrowOutAsync("cid");
        await cid.ReadCloseAsync();
        Assert.Equal(4000, (int?)cid.CloseStatus);
        await thrownOut;
        Assert.Equal("cid was thrown out: mind your words", await ann.ReadTextAsync());
        await Assert.ThrowsAsync<WebSocketException>(() => TestClient.ConnectAsync(chat.EndPoint, "/elsewhere"));
    }

    [Fact]
    public async Task A_gateway_asks_its_devices_and_lets_no_others_in()
    {
        await using DeviceGateway gateway = new(new WebSocketServerOptions { Urls = ["http://127.0.0.1:0"] });
        await gateway.StartAsync();
        await Assert.ThrowsAsync<WebSocketException>(() => TestClient.ConnectAsync(gateway.EndPoint, "/", "Bearer wrong"));
        TestClient device = await TestClient.ConnectAsync(gateway.EndPoint, "/", "Bearer secret-of-pump-1");
        Assert.Equal("hello pump-1", await device.ReadTextAsync());
        Task<string> question = gateway.AskAsync("pump-1", "status", TimeSpan.FromSeconds(30));
        Assert.Equal("1 status", await device.ReadTextAsync());
        Task<TimeSpan> ping = gateway.MeasureAsync("pump-1");
        await device.SendAsync("1 all is well");
        Assert.Equal("all is well", await question);

        Task<string> unanswered = gateway.AskAsync("pump-1", "status", TimeSpan.FromSeconds(30));
        Assert.Equal("2 status", await device.ReadTextAsync()); // the pong went out while it read
        Assert.True(await ping > TimeSpan.Zero);
        device.Dispose();
        await Assert.ThrowsAsync<WebSocketException>(() => unanswered);
        await Assert.ThrowsAsync<InvalidOperationException>(() => gateway.AskAsync("pump-2", "status", TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_feed_sends_a_quote_to_whoever_wants_its_symbol()
    {
        await using MarketFeed feed = new();
        await feed.StartAsync();
        using TestClient euro = await TestClient.ConnectAsync(feed.EndPoint);
        await euro.SendAsync("EURUSD");
        while (feed.Publish(new Quote("EURUSD", 1.1m)).Accepted == 0)
            await Task.Yield(); // until the server has seen the subscription
        Assert.Equal("""{"Symbol":"EURUSD","Price":1.1}""", await euro.ReadTextAsync());
        Assert.Equal(default, feed.Publish(new Quote("USDJPY", 150m)));
        feed.PublishCounting(new Quote("EURUSD", 1.2m));
        Assert.Equal("""{"Symbol":"EURUSD","Price":1.2}""", await euro.ReadTextAsync());
    }

    [Fact]
    public async Task A_hosted_service_takes_its_options_from_the_configuration_and_says_goodbye_in_its_own_words()
    {
        using IHost host = HostedEcho.Build();
        await host.StartAsync(TestClient.Timely);
        IReadOnlyList<EndPoint> endPoints = host.Services.GetRequiredService<HostedEcho>().EndPoints;
        Assert.Equal(2, endPoints.Count);
        using TestClient client = await TestClient.ConnectAsync(endPoints[1]);
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReadTextAsync());
        await client.SendAsync(new byte[4097]);
        await client.ReadCloseAsync();
        Assert.Equal(WebSocketCloseStatus.MessageTooBig, client.CloseStatus);

        using TestClient shorter = await TestClient.ConnectAsync(endPoints[1], "/short");
        await shorter.SendAsync(new byte[17]);
        await shorter.ReadCloseAsync();
        Assert.Equal(WebSocketCloseStatus.MessageTooBig, shorter.CloseStatus);

        using TestClient last = await TestClient.ConnectAsync(endPoints[0]);
        Task stop = host.StopAsync(TestClient.Timely);
        await last.ReadCloseAsync();
        Assert.Equal((1012, "be right back"), ((int?)last.CloseStatus, last.CloseReason));
        await stop;
    }

    [Fact]
    public async Task Files_go_up_and_come_down()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("wsk");
        try
        {
            await using FileServer server = new(folder.FullName, new IPEndPoint(IPAddress.Loopback, 0));
            await server.StartAsync();
            byte[] file = new byte[3_000_000];
            Random.Shared.NextBytes(file);
            using TestClient client = await TestClient.ConnectAsync(server.EndPoint, "/data.bin");
            await client.SendAsync(file);
            Assert.Equal("stored", await client.ReadTextAsync());
            await client.SendAsync("get");
            (WebSocketMessageType type, byte[] bytes) = await client.ReadAsync();
            Assert.Equal(WebSocketMessageType.Binary, type);
            Assert.True(file.AsSpan().SequenceEqual(bytes));
            using HttpClient http = new();
            Assert.Equal("data.bin", await http.GetStringAsync(new Uri($"http://{server.EndPoint}/"), TestClient.Timely));

            using TestClient lost = await TestClient.ConnectAsync(server.EndPoint, "/none");
            await lost.SendAsync("get");
            await lost.ReadCloseAsync();
            Assert.Equal(WebSocketCloseStatus.InvalidMessageType, lost.CloseStatus);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_window_shows_who_is_online_on_its_own_thread()
    {
        using WindowThread thread = new();
        ClientWindow window = await thread.RunAsync(() => Task.FromResult(new ClientWindow()));
        await thread.RunAsync(() => window.OpenAsync("http://127.0.0.1"));
        Assert.Contains("port", window.Title, StringComparison.OrdinalIgnoreCase);
        await thread.RunAsync(() => window.OpenAsync("http://127.0.0.1:0"));
        using TestClient client = await TestClient.ConnectAsync(IPEndPoint.Parse(window.Title));
        await client.SendAsync("hello");
        Assert.Equal("seen", await client.ReadTextAsync());
        Assert.Equal(1, await thread.RunAsync(() => Task.FromResult(window.Online.Count)));
        Assert.EndsWith(": hello", await thread.RunAsync(() => Task.FromResult(window.Log[0])), StringComparison.Ordinal);
        await thread.RunAsync(() =>
        {
            window.SendToAll("to all");
            return Task.CompletedTask;
        });
        Assert.Equal("to all", await client.ReadTextAsync());
        Task closing = thread.RunAsync(window.CloseAsync);
        await client.ReadCloseAsync();
        await closing;
        Assert.Empty(window.Online);
        Assert.Equal("closed", window.Title);
    }

    [Fact]
    public async Task A_handler_is_tested_without_a_socket()
    {
        Translator translator = new(new Dictionary<string, string>(StringComparer.Ordinal) { ["house"] = "Haus" });
        Assert.Equal("das Haus", translator.Translate("das house"));

        await using WebSocketServer server = new(new WebSocketServerOptions());
        server.OnMessage(translator.HandleAsync);
        await server.StartAsync(TestClient.Timely);
        await using InMemoryClient client = await server.ConnectAsync();
        await client.SendAsync("my house");
        await client.ExpectTextAsync("my Haus");
        await client.SendAsync(new byte[] { 1, 2, 3 });
        await client.ExpectClosedAsync(CloseCode.UnsupportedData, "text only");
    }

    [Fact]
    public async Task An_observer_sees_counts_and_why_clients_leave()
    {
        await using WebSocketServer server = new("http://127.0.0.1:0");
        server.OnMessage((client, message) => client.SendAsync(message.Text + message.Text));
        LoadObserver observer = new(server);
        TaskCompletionSource left = new(TaskCreationOptions.RunContinuationsAsynchronously);
        server.ClientDisconnected += (_, _) => left.TrySetResult();
        await server.StartAsync(TestClient.Timely);
        using TestClient client = await TestClient.ConnectAsync(server.EndPoints[0]);
        await client.SendAsync("1234");
        Assert.Equal("12341234", await client.ReadTextAsync());
        Load load = observer.Look();
        Assert.Equal((1, 4, 8), (load.Clients, load.Received, load.Sent));
        Assert.Null(load.WorstLatency);
        await client.CloseAsync();
        await left.Task.WaitAsync(TestClient.Timely);
        Assert.Equal(1, observer.EndsBy(DisconnectCause.Closed, CloseCode.NormalClosure));
        StopResult result = await server.StopAsync(TestClient.Timely);
        Assert.Equal((0, 0, 0), (result.ClosedCleanly, result.Aborted, result.Unfinished));
    }
}
