using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Scheduling;

/// <summary>
/// An awaitable that yields the thread: <c>await Turn.ToOthers;</c>
/// </summary>
/// <remarks>
/// The continuation goes to the global queue of the thread pool. <see cref="ConfigureAwaitOptions.ForceYielding"/> would use the thread's local queue, which
/// the thread serves first, and <see cref="Task.Yield"/> would post to the current <see cref="SynchronizationContext"/>.
/// </remarks>
internal readonly struct Turn : ICriticalNotifyCompletion
{
    private readonly BusyLine? _line;

    private Turn(BusyLine line) => _line = line;

    /// <summary>Continues behind all work that is queued in the thread pool now.</summary>
    public static Turn ToOthers => default;

    /// <summary>Continues behind all loops that have used up their time slice before: see <see cref="BusyLine"/>.</summary>
    public static Turn InLine => new(BusyLine.Shared);

    public bool IsCompleted => false;

    public Turn GetAwaiter() => this;

    public void GetResult()
    {
        // No result.
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
