using WebSocketServerKit.Connections.Memory;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The senders that wait until a <see cref="SendQueue"/> has room for them, first come, first served.
/// <para>Invariants: while somebody waits, no message passes the line; fragments go to its head, because the others may wait for their end. The line is bounded
/// as the queue is, and the memory budget counts it. The lock of the queue guards it.</para>
/// </summary>
internal sealed class WaitingLine(MemoryBudget budget, int queueLimit)
{
    // The lower bound of the line's limit in bytes, however small the queue is.
    private const int SmallestLimit = 64 * 1024;

    // The estimated memory of a waiting sender besides its frame, in bytes.
    private const int SenderSize = 256;

    private readonly LinkedList<WaitingSend> _senders = new();
    private int _bytes;

    /// <summary>Bytes of memory that the waiting senders take. From any thread.</summary>
    public int HeldBytes => Volatile.Read(ref _bytes);

    public bool IsEmpty => _senders.First is null;

    public WaitingSend? First => _senders.First?.Value;

    /// <summary>
    /// Whether one more may wait. An empty line takes a message of any size, and fragments always get in: only the sender that has the turn sends them.
    /// </summary>
    public bool HasRoom(SendKind kind, int size) =>
        kind is SendKind.Fragment or SendKind.LastFragment || IsEmpty || (long)_bytes + size + SenderSize <= Math.Max(queueLimit, SmallestLimit);

    public void Add(WaitingSend sender)
    {
        if (sender.Kind is SendKind.Fragment or SendKind.LastFragment)
            _senders.AddFirst(sender.Place);
        else
            _senders.AddLast(sender.Place);
        Count(sender.Frame.Length + SenderSize);
    }

    /// <summary>Takes a sender out of the line. False when it has left already.</summary>
    public bool TryRemove(WaitingSend sender)
    {
        if (sender.Place.List is null)
            return false;
        _senders.Remove(sender.Place);
        Count(-sender.Frame.Length - SenderSize);
        return true;
    }

    /// <summary>Empties the line: the connection is over.</summary>
    public void RefuseAll()
    {
        while (First is { } sender)
        {
            TryRemove(sender);
            sender.Complete(SendOutcome.Closed);
        }
    }

    private void Count(int bytes)
    {
        _bytes += bytes;
        budget.Count(bytes);
    }
}
