using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

public sealed class EventLoopTests
{
    [Fact]
    public async Task The_servers_of_all_these_tests_run_on_event_loops_without_being_told_in_the_code()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs Linux.");
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, e) => e.Client.TrySend(Thread.CurrentThread.Name ?? ""));
        // The first handlers are compiled, which may take so long that another thread goes on for the loop, and that client leaves it for a second.
        string thread = "";
        for (int i = 0; i < 20 && !thread.StartsWith("WebSocket loop", StringComparison.Ordinal); i++)
        {
            (TestClient raw, _) = await server.ConnectAsync();
            using (raw)
            {
                await raw.SendAsync("x");
                thread = await raw.ReadTextAsync();
            }
        }

        Assert.StartsWith("WebSocket loop", thread, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_blocks_its_thread_lets_the_other_clients_of_its_loop_have_all_answers_in_order_and_is_logged_once()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs Linux.");
        const int Others = 200;
        const int Rounds = 5;
        const int AtOnce = 4;
        using ManualResetEventSlim goOn = new();
        TaskCompletionSource blocks = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(
            server => server.MessageReceived += (_, e) =>
            {
                if (e.Text == "block")
                {
                    blocks.TrySetResult();
                    goOn.Wait();
                }

                e.Client.TrySend(e.Text);
            },
            options => options.EventLoops = 1);
        using TestClient blocking = await server.OpenAsync();
        List<TestClient> others = [];
        for (int i = 0; i < Others; i++)
            others.Add(await server.OpenAsync());
        await blocking.SendAsync("block");
        await blocks.Task.WaitAsync(TestServer.Timely);
        await blocking.SendAsync("second");
        for (int round = 0; round < Rounds; round++)
        {
            foreach (TestClient other in others)
                for (int i = 0; i < AtOnce; i++)
                    await other.SendAsync($"{round}.{i}");
            foreach (TestClient other in others)
                for (int i = 0; i < AtOnce; i++)
                    Assert.Equal($"{round}.{i}", await other.ReadTextAsync());
        }

        await Polling.UntilAsync(() => server.Log.Of(40).Count > 0);
        goOn.Set();
        Assert.Equal("block", await blocking.ReadTextAsync());
        Assert.Equal("second", await blocking.ReadTextAsync());
        Assert.Single(server.Log.Of(40));
        foreach (TestClient other in others)
            other.Dispose();
    }
}
