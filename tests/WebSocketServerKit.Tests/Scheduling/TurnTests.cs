using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Scheduling;

public sealed class TurnTests
{
    [Fact]
    public async Task Goes_on_on_the_thread_pool_and_not_in_the_callers_context()
    {
        TaskCompletionSource<(bool Pool, bool HasContext)> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
            _ = GiveAsync();
        });
        thread.Start();
        thread.Join();
        Assert.Equal((true, false), await seen.Task.InTime());

        async Task GiveAsync()
        {
            await Turn.ToOthers;
            seen.SetResult((Thread.CurrentThread.IsThreadPoolThread, SynchronizationContext.Current is not null));
        }
    }

    [Fact]
    public async Task Keeps_AsyncLocals()
    {
        var local = new AsyncLocal<int> { Value = 7 };
        await Turn.ToOthers;
        Assert.Equal(7, local.Value);
    }

    [Fact]
    public async Task A_continuation_without_an_async_method_carries_its_AsyncLocals_too()
    {
        var local = new AsyncLocal<int> { Value = 7 };
        TaskCompletionSource<int> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Turn.ToOthers.OnCompleted(() => seen.SetResult(local.Value));
        Assert.Equal(7, await seen.Task.InTime());
    }

    [Fact]
    public async Task In_line_it_goes_on_on_the_thread_pool_with_its_AsyncLocals()
    {
        var local = new AsyncLocal<int> { Value = 7 };
        await Turn.InLine;
        Assert.Equal((7, true), (local.Value, Thread.CurrentThread.IsThreadPoolThread));
    }
}
