using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Diagnostics;

public class ObservedTaskTests
{
    [Fact]
    public void What_it_throws_is_observed_though_nobody_waits()
    {
        string reason = Guid.NewGuid().ToString(), other = Guid.NewGuid().ToString();
        ConcurrentQueue<string> unobserved = new();
        EventHandler<UnobservedTaskExceptionEventArgs> note = (_, e) => unobserved.Enqueue(e.Exception.InnerException!.Message);
        TaskScheduler.UnobservedTaskException += note;
        try
        {
            Fail(reason, isObserved: true);
            Fail(other, isObserved: false);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Assert.Contains(other, unobserved, StringComparer.Ordinal);
            Assert.DoesNotContain(reason, unobserved, StringComparer.Ordinal);
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= note;
        }
    }

    [Fact]
    public async Task It_is_the_same_task()
    {
        Task<int> task = Task.FromResult(1);
        Assert.Same(task, task.Observed());
        await Assert.ThrowsAsync<IOException>(() => Task.FromException(new IOException()).Observed());
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fail(string reason, bool isObserved)
    {
        TaskCompletionSource failing = new();
        if (isObserved)
            _ = failing.Task.Observed();
        failing.SetException(new IOException(reason));
    }
}
