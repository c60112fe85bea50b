using System.Collections.Concurrent;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

/// <summary>Events on the thread of a window that is busy, blocked or gone: each exactly once, and none without the other.</summary>
public class WindowTests
{
    private readonly ConcurrentQueue<string> _events = [];

    private Task<TestServer> StartAsync(SynchronizationContext context, Action<WebSocketServerOptions>? configure = null) => TestServer.StartAsync(
        server =>
        {
            server.ClientConnected += (_, e) => _events.Enqueue($"{e.Client.Id} connected");
            server.MessageReceived += (_, e) => _events.Enqueue($"{e.Client.Id} said {e.Text}");
            server.ClientDisconnected += (_, e) => _events.Enqueue($"{e.Client.Id} left");
        },
        options =>
        {
            TestServer.LookOften(options);
            options.EventContext = context;
            configure?.Invoke(options);
        });

    // The thread does nothing else until the gate opens.
    private static ManualResetEventSlim Block(SingleThread window)
    {
        var gate = new ManualResetEventSlim();
        window.Post(_ => gate.Wait(TimeSpan.FromSeconds(30)), null);
        return gate;
    }

    [Fact]
    public async Task A_thread_that_is_busy_for_longer_than_every_timeout_gets_every_event_once_and_in_order()
    {
        using var window = new SingleThread();
        await using TestServer server = await StartAsync(window, options => options.CloseTimeout = TimeSpan.FromMilliseconds(100));
        using ManualResetEventSlim gate = Block(window);
        using TestClient closes = await server.OpenAsync();
        await closes.WriteAsync((byte[])[.. TestClient.Text("1"), .. TestClient.Text("2"), .. TestClient.Close(1000)]);
        TestClient resets = await server.OpenAsync();
        resets.Reset();
        using TestClient aborted = await server.OpenAsync();
        await Polling.UntilAsync(() => server.Clients.Count == 3);
        WebSocketClient third = server.Clients.Find(3)!;
        third.Abort();
        // It is out of the registry, though nobody has heard of it yet.
        await third.CloseAsync(cancellationToken: TestServer.Timely);
        await aborted.AssertResetAsync();
        Assert.Empty(_events);

        gate.Set();
        for (int i = 0; i < 3; i++)
            await server.NextEndAsync();
        foreach (int id in (int[])[1, 2, 3])
            Assert.Equal(
                id == 1 ? ["1 connected", "1 said 1", "1 said 2", "1 left"] : [$"{id} connected", $"{id} left"], _events.Where(line => line[0] == '0' + id), StringComparer.Ordinal);
        Assert.Empty(server.Clients);
    }

    [Fact]
    public async Task A_second_handler_is_followed_although_the_first_has_let_the_next_message_come()
    {
        using var window = new SingleThread();
        TaskCompletionSource third = Async.Gate(), told = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += (_, e) =>
                {
                    if (e.Text != "1")
                        return;
                    e.ContinueReceiving();
                    // The loop goes on meanwhile, on another thread.
                    if (!SpinWait.SpinUntil(() => IsOver(e), TimeSpan.FromSeconds(10)))
                        told.SetException(new TimeoutException("The loop did not go on."));
                };
                server.MessageReceived += async (_, e) =>
                {
                    if (IsOver(e))
                    {
                        await third.Task;
                        told.SetResult();
                    }
                    else if (e.Text == "3")
                    {
                        third.SetResult();
                    }
                };
            },
            options => options.EventContext = window);
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync((byte[])[.. TestClient.Text("1"), .. TestClient.Text("2"), .. TestClient.Text("3")]);
        await told.Task.Timely();
        await client.LeaveAsync();

        static bool IsOver(MessageReceivedEventArgs e)
        {
            try
            {
                return e.Payload.Length < 0;
            }
            catch (InvalidOperationException)
            {
                return true;
            }
        }
    }

    [Fact]
    public async Task A_window_that_blocks_its_thread_to_stop_the_server_goes_on_when_the_clients_have_left_and_loses_no_event()
    {
        using var window = new SingleThread();
        // What would be waited for otherwise is far longer than the test may take.
        await using TestServer server = await StartAsync(window, options => options.StopTimeout = TimeSpan.FromMinutes(10));
        using TestClient first = await server.OpenAsync();
        using TestClient second = await server.OpenAsync();
        await server.NextClientAsync();
        await server.NextClientAsync();
        using ManualResetEventSlim gate = Block(window);
        await first.SendAsync("still unheard");

        TaskCompletionSource<StopResult> stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        window.Post(_ => stopped.SetResult(server.Server.StopAsync().GetAwaiter().GetResult()), null);
        gate.Set();
        await Task.WhenAll(first.LeaveAsync(), second.LeaveAsync());
        StopResult result = await stopped.Task.Timely();
        Assert.Equal(2, result.ClosedCleanly + result.Unfinished);
        Assert.Equal(0, result.Aborted);

        await server.NextEndAsync();
        await server.NextEndAsync();
        Assert.Equal(["1 connected", "1 left"], _events.Where(line => line[0] == '1' && !line.Contains("said", StringComparison.Ordinal)), StringComparer.Ordinal);
        Assert.Equal(["2 connected", "2 left"], _events.Where(line => line[0] == '2'), StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_window_that_awaits_the_stop_has_heard_every_event_when_it_goes_on()
    {
        using var window = new SingleThread();
        await using TestServer server = await StartAsync(window);
        TestClient[] clients = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => server.OpenAsync()));
        for (int i = 0; i < clients.Length; i++)
            await server.NextClientAsync();
        TaskCompletionSource<(StopResult, int)> stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        window.Post(
            async _ =>
            {
                SynchronizationContext.SetSynchronizationContext(window);
                StopResult result = await server.Server.StopAsync();
                stopped.SetResult((result, _events.Count(line => line.Contains("left", StringComparison.Ordinal))));
            },
            null);
        await Task.WhenAll(clients.Select(client => client.LeaveAsync()));
        (StopResult result, int left) = await stopped.Task.Timely();
        Assert.Equal((0, 0, 20), (result.Aborted, result.Unfinished, left)); // who left before the stop is in none of its numbers
    }

    [Fact]
    public async Task A_window_that_was_closed_and_drops_what_is_posted_loses_no_event()
    {
        var window = new ClosedWindow();
        await using TestServer server = await StartAsync(window);
        using TestClient client = await server.OpenAsync();
        await client.SendAsync("hello");
        await UntilCollectedAsync(() => _events.Count == 2);
        client.Reset();
        await UntilCollectedAsync(() => _events.Count == 3);
        Assert.Equal(["1 connected", "1 said hello", "1 left"], _events, StringComparer.Ordinal);
    }

    // That a context has dropped something is seen when it is collected.
    private static async Task UntilCollectedAsync(Func<bool> condition) => await Polling.UntilAsync(() =>
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return condition();
    });

    private sealed class ClosedWindow : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
            // As a dispatcher that has shut down.
        }
    }
}
