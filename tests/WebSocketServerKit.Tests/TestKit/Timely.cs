namespace WebSocketServerKit.TestKit;

/// <summary>Waits for a signal that is sure to come: a test that would hang fails after 30 s.</summary>
internal static class Timely
{
    public static Task InTime(this Task task) => task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    public static Task<T> InTime<T>(this Task<T> task) => task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    public static Task<T> InTime<T>(this ValueTask<T> task) => task.AsTask().InTime();

    /// <summary>A source that a test completes by hand; what waits for it goes on elsewhere.</summary>
    public static TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
