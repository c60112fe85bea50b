using System.Collections.Concurrent;

namespace WebSocketServerKit.Connections.Scheduling;

/// <summary>
/// Where those wait who have used up their slice of time. Only the first of them stands in the queue of the thread pool, and the next one when that has begun: however many
/// connections are busy, whoever comes to the pool waits for one of them, not for all. Thread-safe.
/// </summary>
/// <remarks>They are not limited in how many of them run at once: where handlers block, the pool adds threads, and each takes the next.</remarks>
/// <param name="queue">Puts a work item at the end of the thread pool's queue.</param>
internal sealed class BusyLine(Action<IThreadPoolWorkItem> queue) : IThreadPoolWorkItem
{
    private readonly ConcurrentQueue<Action> _line = new();
    private int _isQueued;

    /// <summary>The line of the process, as there is one thread pool.</summary>
    public static BusyLine Shared { get; } = new(static item => ThreadPool.UnsafeQueueUserWorkItem(item, preferLocal: false));

    public void Add(Action continuation)
    {
        _line.Enqueue(continuation);
        QueueNext();
    }

    void IThreadPoolWorkItem.Execute()
    {
        bool any = _line.TryDequeue(out Action? continuation);
        // A full fence, as the exchange in QueueNext: who adds one now sees that nothing is queued, or is seen below.
        Interlocked.Exchange(ref _isQueued, 0);
        // Before this one runs, for it may block.
        if (!_line.IsEmpty)
            QueueNext();
        if (any)
            continuation!();
    }

    private void QueueNext()
    {
        if (Interlocked.Exchange(ref _isQueued, 1) == 0)
            queue(this);
    }
}
