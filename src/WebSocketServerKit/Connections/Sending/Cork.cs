using WebSocketServerKit.Connections.Scheduling;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// While a thread works through what is there already — the frames of one read, the receivers of a broadcast — what it sends only gathers in the send
/// queues. When it is through, each queue leaves in one write.
/// <para>One for each thread, which alone uses it. It holds back its own thread's messages only: what another thread appends to the same queue is sent at
/// once, with all that was gathered there.</para>
/// <para>When the thread is kept, by a handler that blocks it or by a long burst, the <see cref="SliceClock"/> sends what has been held back for a whole tick.</para>
/// </summary>
internal sealed class Cork
{
    // What all queues together hold back: past this they are sent between two messages.
    private const int GatherLimit = 16 * 1024 * 1024;

    // How many queues one thread flushes, when others could do it at the same time.
    private const int FlushedByOneThread = 64;

    [ThreadStatic]
    private static Cork? _ofThisThread;

    // Written by the cork's thread alone; the clock reads it at any moment. To flush a queue that has been flushed already does no harm.
    private SendQueue?[] _queues = new SendQueue?[16];
    private int _count;
    private int _gathered;
    private int _burst;        // another one each time that it holds back a first message
    private int _burstSeen;    // by the clock
    private bool _isIn;
    private SliceClock? _clock; // null before it is put in for the first time

    private Cork()
    {
    }

    /// <summary>This thread's cork while it is in, or null.</summary>
    public static Cork? Current => _ofThisThread is { _isIn: true } cork ? cork : null;

    /// <summary>Puts the cork in until <see cref="Pull"/>. Null when it is in already: then whoever put it in pulls it.</summary>
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

    /// <summary>Sends what was gathered; from now on messages leave at once.</summary>
    public void Pull()
    {
        _isIn = false;
        Flush();
    }

    /// <summary>Sends what was gathered when it has become much. Called between two messages, with no gate held.</summary>
    public void FlushWhenFull()
    {
        if (_gathered > GatherLimit)
            Flush();
    }

    /// <summary>The queue begins to hold back messages; it calls this inside its gate.</summary>
    public void Add(SendQueue queue)
    {
        if (_count == _queues.Length)
            Array.Resize(ref _queues, 2 * _count);
        if (_count == 0)
        {
            _burst++;
            _clock!.Ask();
        }

        _queues[_count] = queue;
        Volatile.Write(ref _count, _count + 1);
    }

    /// <summary>Takes note that a queue holds back a message of this size.</summary>
    public void Gathered(int size) => _gathered += size;

    /// <summary>Sends what has been held back since the last call. From the clock's thread.</summary>
    public void FlushIfOverdue()
    {
        int count = Volatile.Read(ref _count);
        bool isOverdue = count > 0 && _burst == _burstSeen;
        _burstSeen = _burst;
        if (!isOverdue)
            return;
        SendQueue?[] queues = Volatile.Read(ref _queues);
        foreach (SendQueue? queue in queues.AsSpan(0, Math.Min(count, queues.Length)))
            queue?.Flush();
    }

    private void Flush()
    {
        _gathered = 0;
        if (_count == 0)
            return;
        ReadOnlySpan<SendQueue?> queues = _queues.AsSpan(0, _count);
        // To write to many clients takes long: other threads, if there are any, begin with that while this one does its share.
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
            queue!.FlushGathered();
    }
}
