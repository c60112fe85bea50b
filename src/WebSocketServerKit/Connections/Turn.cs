using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Connections;

/// <summary>
/// Awaited, gives the thread to whatever else waits for one, and goes on when its turn comes: <c>await Turn.ToOthers;</c>
/// </summary>
/// <remarks>
/// The continuation goes to the global queue of the thread pool. A forced yield (<see cref="ConfigureAwaitOptions.ForceYielding"/>) uses the thread's own queue, which the
/// thread serves before all others; <see cref="Task.Yield"/> would post to a handler's context.
/// </remarks>
internal readonly struct Turn : ICriticalNotifyCompletion
{
    public static Turn ToOthers => default;

    public bool IsCompleted => false;

    public Turn GetAwaiter() => this;

    public void GetResult()
    {
        // There is nothing to give back.
    }

    public void OnCompleted(Action continuation) => ThreadPool.QueueUserWorkItem(static continuation => continuation(), continuation, preferLocal: false);

    public void UnsafeOnCompleted(Action continuation) => ThreadPool.UnsafeQueueUserWorkItem(static continuation => continuation(), continuation, preferLocal: false);
}
