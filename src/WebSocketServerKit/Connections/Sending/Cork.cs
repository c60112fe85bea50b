using WebSocketServerKit.Connections.Scheduling;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Saves writes. While a thread works through a batch (the frames of one read, the receivers of a broadcast), its messages stay pending in the send queues. After the batch each
/// queue is written once.
/// <para>Invariants: each thread has its own cork, and no other thread puts it in or pulls it. It holds back the messages of its own thread only: a message of another thread
/// is sent at once, together with all that is pending in the same queue.</para>
/// <para>A handler that blocks the thread, or a long batch, delays no message for long: the <see cref="SliceClock"/> sends what has been held back for a whole tick.</para>
/// </summary>
internal sealed class Cork
{
    /// <summary>The most that one queue holds back, in bytes. Larger writes save no more system calls.</summary>
    public const int QueueLimit = 64 * 1024;

    // The most that all queues of a batch hold back together. Past this they are flushed between two messages.
    private const int TotalLimit = 16 * 1024 * 1024;

    // How many queues one thread flushes. The rest goes to other threads at the same time.
    private const int FlushedByOneThread = 64;

    [ThreadStatic]
    private static Cork? _ofThisThread;

    // The cork's thread writes these fields, and the clock's thread reads them at any time. A queue that is flushed twice takes no harm.
    private SendQueue?[] _queues = new SendQueue?[16];
    private int _count;
    private int _heldBytes;
    private int _batch;         // a new number whenever a first message is held back
    private int _batchSeen;     // by the clock
    private bool _isIn;
    private SliceClock? _clock; // null until the cork is put in for the first time

    private Cork()
    {
    }

    /// <summary>This thread's cork while it is in, or null.</summary>
    public static Cork? Current => _ofThisThread is { _isIn: true } cork ? cork : null;

    /// <summary>Puts the cork in until <see cref="Pull"/>. Null when it is in already: the caller that put it in pulls it.</summary>
    public static Cork? Put(SliceClock clock)
    {
        Cork cork = _ofThisThread ??= new Cork();
        if (cork._isIn)
            return null;
        cork._isIn = true;
        if (cork._clock != clock)
            (cork._clock = clock).Watch(cork);
        return cork;
    }

    /// <summary>Sends all that is held back. From now on messages leave at once.</summary>
    public void Pull()
    {
        _isIn = false;
        Flush();
    }

    /// <summary>Sends all that is held back when it has become much. Called between two messages, outside the lock of any queue.</summary>
    public void FlushWhenFull()
    {
        if (_heldBytes > TotalLimit)
            Flush();
    }

    /// <summary>True when this thread's cork holds back a message that was appended to a queue. The queue calls this inside its lock.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="holder">The cork that holds back messages in this queue, or null.</param>
    /// <param name="size">The size of the message.</param>
    public static bool TryHoldBack(SendQueue queue, ref Cork? holder, int size)
    {
        if (Current is not { } cork || (holder is not null && holder != cork))
            return false;
        if (holder is null)
        {
            cork.Add(queue);
            holder = cork;
        }

        cork._heldBytes += size;
        return true;
    }

    /// <summary>Sends what has been held back since before the last call. From the clock's thread.</summary>
    public void FlushIfOverdue()
    {
        int count = Volatile.Read(ref _count);
        bool isOverdue = count > 0 && _batch == _batchSeen;
        _batchSeen = _batch;
        if (!isOverdue)
            return;
        SendQueue?[] queues = Volatile.Read(ref _queues);
        foreach (SendQueue? queue in queues.AsSpan(0, Math.Min(count, queues.Length)))
            queue?.Flush();
    }

    private void Add(SendQueue queue)
    {
        if (_count == _queues.Length)
            Array.Resize(ref _queues, 2 * _count);
        if (_count == 0)
        {
            _batch++;
            _clock!.Ask();
        }

        _queues[_count] = queue;
        Volatile.Write(ref _count, _count + 1);
    }

    private void Flush()
    {
        _heldBytes = 0;
        if (_count == 0)
            return;
        ReadOnlySpan<SendQueue?> queues = _queues.AsSpan(0, _count);
        // Writing to many clients takes long, so the threads of the pool do most of it in parallel.
        if (Environment.ProcessorCount > 1)
        {
            for (; queues.Length > FlushedByOneThread; queues = queues[FlushedByOneThread..])
                ThreadPool.UnsafeQueueUserWorkItem(static share => Flush(share), queues[..FlushedByOneThread].ToArray(), preferLocal: false);
        }

        Flush(queues);
        Array.Clear(_queues, 0, _count);
        _count = 0;
    }

    private static void Flush(ReadOnlySpan<SendQueue?> queues)
    {
        foreach (SendQueue? queue in queues)
            queue!.FlushCorked();
    }
}
