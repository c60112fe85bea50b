namespace WebSocketServerKit.Diagnostics;

/// <summary>For tasks whose wait may end before they do.</summary>
internal static class ObservedTask
{
    /// <summary>What the task throws counts as observed, also if nobody waits for it any more: a cancelled wait must not come up in the host's <see cref="TaskScheduler.UnobservedTaskException"/>.</summary>
    public static T Observed<T>(this T task)
        where T : Task
    {
        _ = task.ContinueWith(
            static failed => _ = failed.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return task;
    }
}
