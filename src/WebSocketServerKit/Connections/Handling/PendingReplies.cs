namespace WebSocketServerKit.Connections.Handling;

/// <summary>One call that waits for a message of the peer.</summary>
internal abstract class PendingReply
{
    /// <summary>Whether the current message is the reply; then the call has it. Called as a handler of that message. Never throws.</summary>
    /// <param name="run">The value of <see cref="HandlerScope.Run"/> for the message.</param>
    public abstract bool TryTake(long run);

    /// <summary>No further message will come.</summary>
    public abstract void Lose();
}

/// <summary>
/// The calls that wait for a message of one connection's peer. Each message is offered to them, the oldest first, before it is raised. Thread-safe; made for the first call.
/// <para>Invariant: no code of the host runs inside the lock. So the array is never changed, but replaced: a message is offered to those who waited when it came.</para>
/// </summary>
internal sealed class PendingReplies
{
    private readonly Lock _gate = new();
    private PendingReply[] _waiting = [];
    private bool _hasEnded;

    /// <summary>Adds a call as the last one. False when no further message will come.</summary>
    public bool TryAdd(PendingReply reply)
    {
        lock (_gate)
        {
            if (!_hasEnded)
                Volatile.Write(ref _waiting, [.. _waiting, reply]);
            return !_hasEnded;
        }
    }

    public void Remove(PendingReply reply)
    {
        lock (_gate)
            Volatile.Write(ref _waiting, Array.FindAll(_waiting, other => other != reply));
    }

    /// <summary>Offers the current message. True when it was a reply: then it is not raised.</summary>
    public bool TryTake(long run)
    {
        foreach (PendingReply reply in Volatile.Read(ref _waiting))
        {
            if (reply.TryTake(run))
                return true;
        }

        return false;
    }

    /// <summary>No further message will be raised.</summary>
    public void End()
    {
        PendingReply[] waiting;
        lock (_gate)
        {
            _hasEnded = true;
            (waiting, _waiting) = (_waiting, []);
        }

        foreach (PendingReply reply in waiting)
            reply.Lose();
    }
}
