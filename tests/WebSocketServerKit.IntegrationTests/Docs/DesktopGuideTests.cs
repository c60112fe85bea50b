using System.Net;
using WebSocketServerKit.Contract;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>What docs/desktop.md shows compiles and works.</summary>
public sealed class DesktopGuideTests
{
    [Fact]
    public void Each_block_of_code_is_code_of_these_tests() =>
        GuideCode.AssertIsIn("docs/desktop.md", 2, "tests/WebSocketServerKit.IntegrationTests/Docs/DesktopGuide.cs");

    [Fact]
    public async Task A_window_shows_clients_and_messages_and_closes_when_the_server_has_stopped()
    {
        using var thread = new SingleThread();
        MainViewModel model = new();
        GuideWindow window = new(model);
        thread.Post(_ => SynchronizationContext.SetSynchronizationContext(thread), null);
        await OnAsync(thread, () => model.OpenAsync("http://127.0.0.1:0"));
        IPEndPoint endPoint = IPEndPoint.Parse(model.Status["open at ".Length..]);

        using TestClient client = await TestClient.OpenAsync(endPoint);
        await client.SendAsync("hello");
        await Polling.UntilAsync(() => model.Log.Count == 1);
        await Polling.UntilAsync(() => model.Clients!.Count == 1);
        await OnAsync(thread, () =>
        {
            model.SendToAll("to all");
            return Task.CompletedTask;
        });
        Assert.Equal("to all", await client.ReadTextAsync());
        Assert.Equal("sent to 1", model.Status);

        await OnAsync(thread, () =>
        {
            window.Close();
            window.Close(); // a second click does no harm
            return Task.CompletedTask;
        });
        Assert.False(window.Closed.Task.IsCompleted);
        await client.AssertClosesAsync(1001, "server is stopping");
        await window.Closed.Task.Timely();
        Assert.Equal("closed", model.Status);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_shown_to_the_user()
    {
        await using TestServer other = await TestServer.StartAsync();
        await using MainViewModel model = new();
        await model.OpenAsync($"http://{other.EndPoint}");
        Assert.Contains("the address is already in use", model.Status, StringComparison.Ordinal);
    }

    private static Task OnAsync(SingleThread thread, Func<Task> work)
    {
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        thread.Post(
            async _ =>
            {
                try
                {
                    await work();
                    done.SetResult();
                }
                catch (Exception problem)
                {
                    done.SetException(problem);
                }
            },
            null);
        return done.Task.Timely();
    }
}
