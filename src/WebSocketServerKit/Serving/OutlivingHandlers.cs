namespace WebSocketServerKit.Serving;

/// <summary>
/// Counts the handlers that still run although nobody waits for them any longer, so that the stop of the server can. One per run of a server. Thread-safe.
/// </summary>
internal sealed class OutlivingHandlers
{
    private readonly Lock _gate = new();
    private int _count;
    private int _ended;
    private TaskCompletionSource? _none; // made for the first caller of WhenNone

    /// <summary>The number of tasks that have not ended.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The number of tasks that have ended so far.</summary>
    public int Ended => Volatile.Read(ref _ended);

    /// <summary>Counts these handlers until their task has ended. The task never fails.</summary>
    public void Add(Task handlers)
    {
        if (handlers.IsCompleted)
            return;
        lock (_gate)
            _count++;
        _ = handlers.ContinueWith(
            static (_, outliving) => ((OutlivingHandlers)outliving!).End(), this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Completes when <see cref="Count"/> is zero.</summary>
    public Task WhenNone()
    {
        lock (_gate)
            return _count == 0 ? Task.CompletedTask : (_none ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
    }

    private void End()
    {
        lock (_gate)
        {
            _ended++;
            if (--_count > 0)
                return;
            _none?.SetResult();
            _none = null;
        }
    }
}
