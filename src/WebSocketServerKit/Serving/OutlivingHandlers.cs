namespace WebSocketServerKit.Serving;

/// <summary>Handlers that go on after their event, or after their connection is over, for one run of a server. Thread-safe.</summary>
internal sealed class OutlivingHandlers
{
    private readonly Lock _gate = new();
    private int _count;
    private int _ended;
    private TaskCompletionSource? _none; // somebody waits for the count to fall to zero

    /// <summary>How many go on.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>How many have ended so far.</summary>
    public int Ended => Volatile.Read(ref _ended);

    /// <summary>Counts these handlers until the task, which never fails, has ended.</summary>
    public void Add(Task handlers)
    {
        if (handlers.IsCompleted)
            return;
        lock (_gate)
            _count++;
        _ = handlers.ContinueWith(
            static (_, outliving) => ((OutlivingHandlers)outliving!).End(), this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Completes when none goes on.</summary>
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
