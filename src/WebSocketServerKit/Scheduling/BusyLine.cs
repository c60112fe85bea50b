using System.Collections.Concurrent;

namespace WebSocketServerKit.Scheduling;

/// <summary>
/// A queue of the loops that have used up their time slice. Only its first entry is in the queue of the thread pool; the next one follows when that one starts
/// to run. So new work in the pool waits for at most one busy connection, not for all of them. Thread-safe.
/// </summary>
/// <remarks>This does not limit how many run at once: while handlers block threads, the pool adds more, and each takes the next entry.</remarks>
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
        // A full fence, so that no wake-up is lost: a thread that enqueues concurrently either sees _isQueued == 0, or its entry is seen below.
        Interlocked.Exchange(ref _isQueued, 0);
        // Queue the next one before this one runs, because this one may block.
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
