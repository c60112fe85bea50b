using System.Runtime.InteropServices;

namespace WebSocketServerKit.Connections;

/// <summary>
/// While a thread works through what is there already — the frames of one read, the receivers of a broadcast — what it sends only gathers in the send
/// queues. When it is through, each queue leaves in one write.
/// <para>One for each thread, which alone uses it. It holds back its own thread's messages only: what another thread appends to the same queue is sent at
/// once, with all that was gathered there.</para>
/// </summary>
internal sealed class Cork
{
    // What all queues together hold back: past this they are sent between two messages.
    private const int GatherLimit = 16 * 1024 * 1024;

    // How many queues one thread flushes, when others could do it at the same time.
    private const int FlushedByOneThread = 64;

    [ThreadStatic]
    private static Cork? _ofThisThread;

    private readonly List<SendQueue> _queues = [];
    private int _gathered;
    private bool _isIn;

    private Cork()
    {
    }

    /// <summary>This thread's cork while it is in, or null.</summary>
    public static Cork? Current => _ofThisThread is { _isIn: true } cork ? cork : null;

    /// <summary>Puts the cork in until <see cref="Pull"/>. Null when it is in already: then whoever put it in pulls it.</summary>
    public static Cork? Put()
    {
        Cork cork = _ofThisThread ??= new Cork();
        if (cork._isIn)
            return null;
        cork._isIn = true;
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
    public void Add(SendQueue queue) => _queues.Add(queue);

    /// <summary>Takes note that a queue holds back a message of this size.</summary>
    public void Gathered(int size) => _gathered += size;

    private void Flush()
    {
        _gathered = 0;
        int done = 0;
        // To write to many clients takes long: other threads, if there are any, begin with that while this one does its share.
        if (Environment.ProcessorCount > 1)
        {
            for (; _queues.Count - done > FlushedByOneThread; done += FlushedByOneThread)
                ThreadPool.UnsafeQueueUserWorkItem(static share => Flush(share), CollectionsMarshal.AsSpan(_queues).Slice(done, FlushedByOneThread).ToArray(), preferLocal: false);
        }

        Flush(CollectionsMarshal.AsSpan(_queues)[done..]);
        _queues.Clear();
    }

    private static void Flush(ReadOnlySpan<SendQueue> queues)
    {
        foreach (SendQueue queue in queues)
            queue.FlushGathered();
    }
}
