namespace WebSocketServerKit.TestKit;

/// <summary>Waiting for what other threads do.</summary>
internal static class Async
{
    /// <summary>The task, or a failure when it has not ended within 30 s.</summary>
    public static Task Timely(this Task task) => task.WaitAsync(TestServer.Timely);

    public static Task<T> Timely<T>(this Task<T> task) => task.WaitAsync(TestServer.Timely);

    /// <summary>A source whose task ends on another thread, so that setting it runs nothing of the waiter.</summary>
    public static TaskCompletionSource Gate() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
