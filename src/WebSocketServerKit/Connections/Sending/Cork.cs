using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// Batches writes, as TCP_CORK does. While a thread works through a batch (the frames of one read, the receivers of a broadcast), its messages stay pending in
/// the send queues. After the batch each queue is written once.
/// <para>Invariants: each thread has its own cork, and no other thread puts it in or pulls it. It holds back the messages of its own thread only: a message of
/// another thread is sent at once, together with all that is pending in the same queue.</para>
/// <para>The <see cref="SliceClock"/> flushes what has been held back for a whole tick. So a handler that blocks its thread, or a long batch, delays no message
/// for long.</para>
/// </summary>
internal sealed class Cork : ITicked
{
    /// <summary>The most that one queue holds back, in bytes. Larger writes save no more system calls.</summary>
    public const int QueueLimit = 64 * 1024;

    // The most bytes that all queues of a batch hold back together. Above it they are flushed between two messages.
    private const int TotalLimit = 16 * 1024 * 1024;

    // How many queues one thread flushes. The rest goes to other threads at the same time. For about so many buffers of a size the shared pool has room on each core.
    private const int FlushedByOneThread = 32;

    // After another thread has come to a queue whose lock was biased to this one, so many batches are worked through without bias: others may come often.
    private const int BatchesAfterRevocation = 64;

    [ThreadStatic]
    private static Cork? _ofThisThread;

    private readonly int _thread = Environment.CurrentManagedThreadId;

    // The cork's thread writes these fields, and the clock's thread reads them without a lock. So the clock may flush a queue that was flushed already, which
    // does no harm.
    private SendQueue?[] _queues = new SendQueue?[16];
    private int _count;
    private int _heldBytes;
    private int _batch;         // incremented when the first message of a batch is held back
    private int _batchSeen;     // the value at the clock's last tick
    private bool _isIn;
    private volatile bool _isInGate;
    private int _unbiased;      // the batches that are still to come without bias
    private SliceClock? _clock; // null until the cork is put in for the first time

    private Cork()
    {
    }

    /// <summary>This thread's cork while it is in, or null.</summary>
    public static Cork? Current => _ofThisThread is { _isIn: true } cork ? cork : null;

    public bool IsOfThisThread => _thread == Environment.CurrentManagedThreadId;

    /// <summary>Whether its thread is inside the <see cref="SendGate"/> that is biased to it.</summary>
    public bool IsInGate
    {
        get => _isInGate;
        set => _isInGate = value;
    }

    /// <summary>Puts this thread's cork in until <see cref="Pull"/>. Null when it is in already: then the caller that put it in also pulls it.</summary>
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

    /// <summary>Whether the gate of a queue may be biased to its thread for this batch.</summary>
    public bool MayOwnGate()
    {
        if (_unbiased == 0)
            return true;
        _unbiased--;
        return false;
    }

    /// <summary>Another thread has come to the gate that was biased to its thread.</summary>
    public void GateRevoked() => _unbiased = BatchesAfterRevocation;

    /// <summary>Ends the batch and sends all that is held back.</summary>
    public void Pull()
    {
        _isIn = false;
        Flush();
    }

    /// <summary>Sends all that is held back if it exceeds 16 MiB. Called between two messages, outside the lock of any queue.</summary>
    public void FlushWhenFull()
    {
        if (_heldBytes > TotalLimit)
            Flush();
    }

    /// <summary>
    /// Sends all that is held back if that is for many clients. Called between two receivers of a broadcast: each gets one message, so there is nothing to wait for, and their buffers are used again.
    /// </summary>
    public void FlushWhenMany()
    {
        if (_count >= FlushedByOneThread || _heldBytes > TotalLimit)
            Flush();
    }

    /// <summary>True when the cork holds back a message that its thread has appended to a queue. The queue calls this inside its lock.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="holder">The cork that holds back messages in this queue, or null.</param>
    /// <param name="size">The size of the message.</param>
    public bool TryHoldBack(SendQueue queue, ref Cork? holder, int size)
    {
        if (holder is null)
        {
            Add(queue);
            holder = this;
        }
        else if (holder != this)
        {
            return false;
        }

        _heldBytes += size;
        return true;
    }

    /// <summary>Sends what has been held back since before the last tick, if it is the clock that the cork was put in with.</summary>
    public void Ticked(SliceClock clock)
    {
        if (clock != _clock)
            return;
        int count = Volatile.Read(ref _count);
        if (count > 0)
            clock.Ask(); // a handler that blocks its thread may send more after any time
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
        // Writing to many clients takes long, so pool threads do most of it in parallel.
        if (Environment.ProcessorCount > 1)
        {
            for (; queues.Length >= FlushedByOneThread; queues = queues[FlushedByOneThread..])
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
