using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The lock of a <see cref="SendQueue"/>. A thread that works through a batch of the client's frames, and is about to send as many answers, biases the lock to itself. Until it unbiases it, it enters
/// without an interlocked operation. Another thread that comes meanwhile revokes the bias, which costs some microseconds.
/// <para>Not re-entrant. A mutable struct: it lives in a field of the queue.</para>
/// </summary>
internal struct SendGate()
{
    private readonly Lock _lock = new();
    private Cork? _owner; // the cork of the thread to which the lock is biased

    /// <summary>Whether a thread enters without an interlocked operation. A snapshot.</summary>
    public readonly bool IsBiased => Volatile.Read(in _owner) is not null;

    /// <summary>Biases the lock to this thread until <see cref="Unbias"/>, unless other threads have come in one of its last batches. One thread at a time may call it.</summary>
    /// <param name="cork">The cork of this thread, which stays in until then.</param>
    public void Bias(Cork cork)
    {
        if (!cork.MayOwnGate())
            return;
        lock (_lock)
            Volatile.Write(ref _owner, cork);
    }

    /// <summary>Ends the bias. By the thread that has called <see cref="Bias"/>, outside the lock.</summary>
    public void Unbias() => Volatile.Write(ref _owner, null);

    /// <summary>Enters until the scope is disposed.</summary>
    [UnscopedRef]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Scope Enter()
    {
        if (Volatile.Read(ref _owner) is { IsOfThisThread: true } owner)
        {
            owner.IsInGate = true;
            // Asymmetric fence: Revoke has the one between this store and this load. Either the owner is seen inside there, or the revocation is seen here.
            if (Volatile.Read(ref _owner) is not null)
                return new Scope(ref this, owner);
            owner.IsInGate = false;
        }

        EnterLock();
        return new Scope(ref this, owner: null);
    }

    private void EnterLock()
    {
        _lock.Enter();
        if (Volatile.Read(ref _owner) is { } owner)
            Revoke(owner);
    }

    private void Revoke(Cork owner)
    {
        Volatile.Write(ref _owner, null);
        Interlocked.MemoryBarrierProcessWide();
        owner.GateRevoked();
        SpinWait spin = default;
        while (owner.IsInGate)
            spin.SpinOnce(sleep1Threshold: -1); // it is inside for some instructions only
    }

    /// <summary>The time inside.</summary>
    public readonly ref struct Scope
    {
        private readonly ref SendGate _gate;
        private readonly Cork? _owner; // null if the lock was taken

        public Scope(ref SendGate gate, Cork? owner)
        {
            _gate = ref gate;
            _owner = owner;
        }

        /// <summary>The cork of this thread while it is in; otherwise null.</summary>
        public Cork? Cork => _owner ?? Sending.Cork.Current;

        public void Dispose()
        {
            if (_owner is not null)
                _owner.IsInGate = false;
            else
                _gate._lock.Exit();
        }
    }
}
