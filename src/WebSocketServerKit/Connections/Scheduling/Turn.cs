using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Connections.Scheduling;

/// <summary>
/// Awaited, gives the thread to whatever else waits for one, and goes on when its turn comes: <c>await Turn.ToOthers;</c>
/// </summary>
/// <remarks>
/// The continuation goes to the global queue of the thread pool. A forced yield (<see cref="ConfigureAwaitOptions.ForceYielding"/>) uses the thread's own queue, which the
/// thread serves before all others; <see cref="Task.Yield"/> would post to a handler's context.
/// </remarks>
internal readonly struct Turn : ICriticalNotifyCompletion
{
    private readonly BusyLine? _line;

    private Turn(BusyLine line) => _line = line;

    /// <summary>Goes on behind all that waits for a thread now.</summary>
    public static Turn ToOthers => default;

    /// <summary>Goes on behind all that waits for a thread now, and behind all others that have used up their slice of time.</summary>
    public static Turn InLine => new(BusyLine.Shared);

    public bool IsCompleted => false;

    public Turn GetAwaiter() => this;

    public void GetResult()
    {
        // There is nothing to give back.
    }

    public void OnCompleted(Action continuation)
    {
        ExecutionContext? context = ExecutionContext.Capture();
        UnsafeOnCompleted(context is null ? continuation : () => ExecutionContext.Run(context, static continuation => ((Action)continuation!)(), continuation));
    }

    public void UnsafeOnCompleted(Action continuation)
    {
        if (_line is not null)
            _line.Add(continuation);
        else
            ThreadPool.UnsafeQueueUserWorkItem(static continuation => continuation(), continuation, preferLocal: false);
    }
}
