using System.Net.WebSockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>Handlers from dependency injection, and how long they live.</summary>
public sealed partial class HandlerTests
{
    private static readonly AsyncLocal<string?> Ambient = new();

    private static Task<TestHost> StartAsync<THandler>(HandlerLifetime lifetime = HandlerLifetime.Client, Action<WebSocketServerBuilder>? configure = null)
        where THandler : WebSocketHandler => TestHost.StartAsync(
        server =>
        {
            configure?.Invoke(server);
            server.AddHandler<THandler>(lifetime);
        },
        services => services.AddSingleton<Recorder>().AddSingleton<Gate>().AddScoped<Numbered>());

    [Fact]
    public async Task A_client_has_one_handler_and_one_scope_until_its_last_handler_has_ended()
    {
        await using TestHost host = await StartAsync<RecordingHandler>();
        Recorder recorder = host.Host.Services.GetRequiredService<Recorder>();
        using (ClientWebSocket client = await host.ConnectAsync())
        {
            await client.SendAsync("a");
            await client.SendAsync("b");
            Assert.Equal(["made 1", "connected 1", "a 1", "b 1"], await recorder.NextAsync(4));
            using ClientWebSocket other = await host.ConnectAsync();
            Assert.Equal(["made 2", "connected 2"], await recorder.NextAsync(2));
            await client.LeaveAsync();
            Assert.Equal(["disconnected 1", "disposed 1"], await recorder.NextAsync(2));
            recorder.AssertNoMore();
        }
    }

    [Fact]
    public async Task With_a_scope_for_each_event_each_has_a_handler_of_its_own()
    {
        await using TestHost host = await StartAsync<RecordingHandler>(HandlerLifetime.Event);
        Recorder recorder = host.Host.Services.GetRequiredService<Recorder>();
        using ClientWebSocket client = await host.ConnectAsync();
        Assert.Equal(["made 1", "connected 1", "disposed 1"], await recorder.NextAsync(3));
        await client.SendAsync("a");
        Assert.Equal(["made 2", "a 2", "disposed 2"], await recorder.NextAsync(3));
        await client.LeaveAsync();
        Assert.Equal(["made 3", "disconnected 3", "disposed 3"], await recorder.NextAsync(3));
    }

    [Fact]
    public async Task A_handler_that_runs_on_after_its_client_has_left_keeps_its_services()
    {
        await using TestHost host = await StartAsync<OutlivingHandler>();
        Recorder recorder = host.Host.Services.GetRequiredService<Recorder>();
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("work");
        Assert.Equal(["made 1", "works"], await recorder.NextAsync(2));
        await client.LeaveAsync();
        Assert.Equal("disconnected", await recorder.NextAsync());
        recorder.AssertNoMore();
        host.Host.Services.GetRequiredService<Gate>().Open();
        Assert.Equal(["worked with 1", "disposed 1"], await recorder.NextAsync(2));
    }

    [Theory]
    [InlineData(WebSocketTransport.Sockets, HandlerLifetime.Client)]
    [InlineData(WebSocketTransport.Sockets, HandlerLifetime.Event)]
    [InlineData(WebSocketTransport.EventLoop, HandlerLifetime.Client)]
    [InlineData(WebSocketTransport.EventLoop, HandlerLifetime.Event)]
    public async Task However_clients_leave_each_scope_is_disposed_of_once_and_nothing_is_kept(WebSocketTransport transport, HandlerLifetime lifetime)
    {
        Assert.SkipUnless(transport != WebSocketTransport.EventLoop || OperatingSystem.IsLinux(), "Event loops need Linux.");
        Recorder recorder = new();
        await using ServiceProvider services = new ServiceCollection().AddSingleton(recorder).AddScoped<Numbered>().AddScoped<BusyHandler>().BuildServiceProvider();
        await using WebSocketServer server = new(new WebSocketServerOptions { Urls = ["http://127.0.0.1:0"], Transport = transport });
        HandlerRoute route = new("chat", typeof(BusyHandler), lifetime, services.GetRequiredService<IServiceScopeFactory>(), new HostingLog(NullLogger.Instance));
        route.Subscribe(server);
        await server.StartAsync(TestHost.Timely);
        await Parallel.ForEachAsync(Enumerable.Range(0, 60), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestHost.Timely }, async (i, _) =>
        {
            using ClientWebSocket client = await TestHost.ConnectAsync((System.Net.IPEndPoint)server.EndPoints[0]);
            await client.SendAsync("x");
            await client.SendAsync("y");
            if (i % 3 == 0)
                client.Abort();
            else if (i % 3 == 1)
                await client.LeaveAsync();
        });
        await server.StopAsync(TestHost.Timely);
        Assert.Equal(0, route.Count);
        Dictionary<string, int> disposed = [];
        foreach (string step in recorder.Drain())
        {
            string[] words = step.Split(' ');
            disposed[words[1]] = disposed.GetValueOrDefault(words[1]) + (words[0] == "made" ? -1 : 1);
        }

        Assert.True(disposed.Count >= 60);
        Assert.All(disposed.Values, open => Assert.Equal(0, open));
    }

    [Theory]
    [InlineData(HandlerLifetime.Client)]
    [InlineData(HandlerLifetime.Event)]
    public async Task A_constructor_that_throws_closes_the_client_with_1011_whatever_the_policy_and_says_so_in_the_log(HandlerLifetime lifetime)
    {
        await using TestHost host = await StartAsync<BrokenHandler>(lifetime, server => server.Configure(options => options.HandlerExceptions = HandlerExceptionPolicy.KeepClient));
        using ClientWebSocket client = await host.ConnectAsync();
        Assert.Equal("closed 1011", await client.ReceiveAsync());
        await client.LeaveAsync();
        FakeLogRecord record = host.Of(4)[0];
        Assert.Equal((LogLevel.Error, "no database"), (record.Level, record.Exception!.Message));
        Assert.StartsWith("BrokenHandler of the WebSocket server \"chat\" could not be made for client 1", record.Message, StringComparison.Ordinal);
        // What was made before the failure is disposed of.
        Recorder recorder = host.Host.Services.GetRequiredService<Recorder>();
        Assert.Equal(["made 1", "disposed 1"], await recorder.NextAsync(2));
    }

    [Fact]
    public async Task A_service_that_is_not_registered_closes_the_client_with_1011_and_is_named_in_the_log()
    {
        await using TestHost host = await StartAsync<NeedyHandler>();
        using ClientWebSocket client = await host.ConnectAsync();
        Assert.Equal("closed 1011", await client.ReceiveAsync());
        Assert.Contains(nameof(IDisposable), Assert.Single(host.Of(4)).Exception!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_Dispose_that_throws_is_logged_and_the_server_serves_on()
    {
        await using TestHost host = await TestHost.StartAsync(server => server.AddHandler<StickyHandler>(), services => services.AddScoped<Sticky>().AddSingleton<Recorder>());
        using (ClientWebSocket client = await host.ConnectAsync())
        {
            await client.SendAsync("x");
            Assert.Equal("x", await client.ReceiveAsync());
            await client.LeaveAsync();
        }

        Recorder recorder = host.Host.Services.GetRequiredService<Recorder>();
        Assert.Equal("disposing", await recorder.NextAsync());
        using ClientWebSocket next = await host.ConnectAsync();
        await next.SendAsync("y");
        Assert.Equal("y", await next.ReceiveAsync());
        await next.LeaveAsync();
        await host.Host.StopAsync(TestHost.Timely);
        Assert.All(host.Of(5), record => Assert.Equal((LogLevel.Error, "stuck"), (record.Level, record.Exception!.Message)));
        Assert.Equal(2, host.Of(5).Count);
    }

    [Fact]
    public async Task A_handler_of_a_path_gets_its_clients_alone()
    {
        await using TestHost host = await TestHost.StartAsync(
            server =>
            {
                server.Path("/rooms/{room}", options => options.MaxMessageSize = 10).AddHandler<RoomHandler>();
                server.Path("/other").Configure((_, path) => path.OnMessage((client, message) => client.SendAsync("other")));
            });
        using ClientWebSocket room = await host.ConnectAsync("/rooms/blue");
        using ClientWebSocket other = await host.ConnectAsync("/other");
        await room.SendAsync("a");
        await other.SendAsync("a");
        Assert.Equal(("blue: a", "other"), (await room.ReceiveAsync(), await other.ReceiveAsync()));
        await room.SendAsync("12345678901");
        Assert.Equal("closed 1009", await room.ReceiveAsync());
    }

    [Fact]
    public async Task Log_lines_of_handlers_carry_the_server_the_client_its_path_and_its_user()
    {
        await using TestHost host = await StartAsync<LoggingHandler>(configure: server => server.Configure((_, server) => server.OnHandshaking(e =>
        {
            e.UserId = "ann\u0007";
            return default;
        })));
        using ClientWebSocket client = await host.ConnectAsync("/a%E2%80%A8b");
        await client.SendAsync("x");
        Assert.Equal("logged", await client.ReceiveAsync());
        foreach (string message in (string[])["connected", "got it", "got it, later"])
        {
            FakeLogRecord record = Assert.Single(host.Log.GetSnapshot(), record => record.Message == message);
            var scope = Assert.IsType<ClientLogScope>(Assert.Single(record.Scopes));
            Assert.Equal<KeyValuePair<string, object?>>([new("WebSocketServer", "chat"), new("ClientId", 1L), new("ClientPath", "/a\u2028b"), new("ClientUser", "ann\u0007")], scope);
            Assert.Equal("server chat, client 1, path /a\\u2028b, user ann\\u0007", scope.ToString());
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => ((ClientLogScope)host.Log.GetSnapshot().First(record => record.Message == "connected").Scopes[0]!)[4]);
    }

    [Fact]
    public async Task Log_lines_of_handlers_carry_it_with_a_scope_for_each_event_too()
    {
        await using TestHost host = await StartAsync<LoggingHandler>(HandlerLifetime.Event);
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("x");
        Assert.Equal("logged", await client.ReceiveAsync());
        Assert.Equal("server chat, client 1, path /", Assert.Single(Assert.Single(host.Log.GetSnapshot(), record => record.Message == "got it, later").Scopes)!.ToString());
    }

    [Fact]
    public async Task What_others_have_put_into_the_execution_context_reaches_the_handler_and_so_does_the_log_scope()
    {
        await using TestHost host = await StartAsync<LoggingHandler>(configure: server => server.Configure((_, server) => server.MessageReceived += (_, _) => Ambient.Value = "trace"));
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("x");
        Assert.Equal("logged trace", await client.ReceiveAsync());
        Assert.Single(Assert.Single(host.Log.GetSnapshot(), record => record.Message == "got it").Scopes);
    }

    [Fact]
    public async Task Without_a_logger_that_takes_scopes_handlers_run_in_the_context_of_the_server()
    {
        await using TestHost host = await TestHost.StartAsync(
            server => server.AddHandler<ContextHandler>(), services => services.AddLogging(logging => logging.ClearProviders()).AddSingleton(new ContextBefore()));
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("x");
        Assert.Equal("the same", await client.ReceiveAsync());
    }

    [Fact]
    public async Task An_exception_of_a_handler_closes_its_client_as_the_policy_says_and_the_scope_is_disposed_of()
    {
        await using TestHost host = await StartAsync<ThrowingHandler>();
        Recorder recorder = host.Host.Services.GetRequiredService<Recorder>();
        foreach (string how in (string[])["now", "later"])
        {
            using ClientWebSocket client = await host.ConnectAsync();
            await client.SendAsync(how);
            Assert.Equal("closed 1011", await client.ReceiveAsync());
            await client.LeaveAsync();
            string[] steps = await recorder.NextAsync(2);
            Assert.Equal(("made", "disposed"), (steps[0].Split(' ')[0], steps[1].Split(' ')[0]));
        }
    }

    private sealed class Gate
    {
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task WhenOpen => _open.Task;

        public void Open() => _open.SetResult();
    }

    private sealed class Numbered : IDisposable
    {
        private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<Recorder, System.Runtime.CompilerServices.StrongBox<int>> Last = [];

        private readonly Recorder _recorder;

        public Numbered(Recorder recorder)
        {
            _recorder = recorder;
            Number = Interlocked.Increment(ref Last.GetOrCreateValue(recorder).Value);
            recorder.Add($"made {Number}");
        }

        public int Number { get; }

        public void Dispose() => _recorder.Add($"disposed {Number}");
    }

    private sealed class RecordingHandler(Numbered numbered, Recorder recorder) : WebSocketHandler
    {
        public override async ValueTask OnConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e)
        {
            await Task.Yield();
            recorder.Add($"connected {numbered.Number}");
        }

        public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
        {
            recorder.Add($"{message.Text} {numbered.Number}");
            return default;
        }

        public override async ValueTask OnDisconnectedAsync(WebSocketClient client, ClientDisconnectedEventArgs e)
        {
            await Task.Yield();
            recorder.Add($"disconnected {numbered.Number}");
        }
    }

    private sealed class OutlivingHandler(Numbered numbered, Recorder recorder, Gate gate) : WebSocketHandler
    {
        public override async ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
        {
            message.ContinueReceiving();
            recorder.Add("works");
            await gate.WhenOpen;
            recorder.Add($"worked with {numbered.Number}");
        }

        public override ValueTask OnDisconnectedAsync(WebSocketClient client, ClientDisconnectedEventArgs e)
        {
            recorder.Add("disconnected");
            return default;
        }
    }

    private sealed class BusyHandler(Numbered numbered) : WebSocketHandler
    {
        public override async ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
        {
            message.ContinueReceiving();
            await Task.Yield();
            GC.KeepAlive(numbered);
        }
    }

    private sealed class BrokenHandler : WebSocketHandler
    {
        public BrokenHandler(Numbered numbered) => throw new InvalidOperationException(numbered.Number > 0 ? "no database" : "");
    }

    private sealed class NeedyHandler(IDisposable service) : WebSocketHandler
    {
        public override string ToString() => service.ToString()!;
    }

    private sealed class Sticky(Recorder recorder) : IDisposable
    {
        public void Dispose()
        {
            recorder.Add("disposing");
            throw new InvalidOperationException("stuck");
        }
    }

    private sealed class StickyHandler(Sticky sticky) : WebSocketHandler
    {
        public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message) => sticky is null ? default : client.SendAsync(message.Text);
    }

    private sealed class RoomHandler : WebSocketHandler
    {
        public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message) => client.SendAsync($"{client.PathValues["room"]}: {message.Text}");
    }

    private sealed class ThrowingHandler(Numbered numbered) : WebSocketHandler
    {
        public override async ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
        {
            if (message.Text == "later")
                await Task.Yield();
            throw new InvalidOperationException($"{numbered.Number}");
        }
    }

    private sealed class ContextBefore
    {
        public ExecutionContext? Value { get; set; }
    }

    private sealed class ContextHandler(ContextBefore before) : WebSocketHandler
    {
        public override ValueTask OnConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e)
        {
            before.Value = ExecutionContext.Capture();
            return default;
        }

        public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message) =>
            client.SendAsync(before.Value == ExecutionContext.Capture() && Ambient.Value is null ? "the same" : "another");
    }

    private sealed partial class LoggingHandler(ILogger<LoggingHandler> logger) : WebSocketHandler
    {
        public override ValueTask OnConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e)
        {
            Log("connected");
            return default;
        }

        public override async ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
        {
            Log("got it");
            await Task.Yield();
            Log("got it, later");
            await client.SendAsync($"logged {Ambient.Value}".TrimEnd());
        }

        [LoggerMessage(LogLevel.Information, "{Message}")]
        private partial void Log(string message);
    }
}
