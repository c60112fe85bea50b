namespace WebSocketServerKit.Transport;

/// <summary>
/// How busy the peer of one connection is. For a busy peer an input waits with a read into its buffer, which saves a call. For an idle peer, or one that has sent only a few times, it waits
/// without a buffer. The buffer grows while reads fill it.
/// </summary>
/// <remarks>Used by the reader. <see cref="ReleaseIdle"/> and <see cref="CancelWaitAsync"/> may be called from any thread.</remarks>
internal struct PeerActivity
{
    private const int SmallestBuffer = 4 * 1024;
    private const int LargestBuffer = 256 * 1024; // larger ones do not make large messages faster

    // A peer counts as busy after this many reads without an idle time in between. Otherwise many peers that each send a few messages would all make the pool grow.
    private const int FewReads = 16;

    private int _reads; // since the peer was last idle, up to FewReads
    private volatile bool _waitsWithBuffer;

    // Cancels a read that waits with a buffer. Null until there is one. Never disposed: it owns neither a timer nor a wait handle, and another thread may
    // cancel it after the connection has ended.
    private CancellationTokenSource? _wait;

    public PeerActivity()
    {
    }

    public readonly bool IsBusy => _reads == FewReads;

    /// <summary>Whether <see cref="ReleaseIdle"/> or <see cref="CancelWaitAsync"/> has ended the read.</summary>
    public readonly bool IsReleased => _wait is { IsCancellationRequested: true };

    /// <summary>The size of the next buffer.</summary>
    public int BufferSize { get; private set; } = SmallestBuffer;

    /// <summary>Notes that a read has given bytes.</summary>
    /// <param name="bufferSize">The size of the buffer if the read has filled it; else 0.</param>
    public void HasRead(int bufferSize)
    {
        _reads = Math.Min(_reads + 1, FewReads);
        if (bufferSize > 0)
            BufferSize = Math.Min(Math.Max(BufferSize, 2 * bufferSize), Math.Max(LargestBuffer, bufferSize));
    }

    /// <summary>Notes that the peer is idle: its next reads wait without a buffer.</summary>
    public void BecameIdle()
    {
        _reads = 0;
        BufferSize = SmallestBuffer;
    }

    /// <summary>Begins a read that waits with an empty buffer.</summary>
    /// <returns>Cancelled by <see cref="ReleaseIdle"/>.</returns>
    public CancellationToken BeginWait()
    {
        _waitsWithBuffer = true;
        if (_wait is not { IsCancellationRequested: false })
            Interlocked.Exchange(ref _wait, new CancellationTokenSource());
        return _wait.Token;
    }

    /// <summary>Notes that the read has ended. Does nothing if none was begun.</summary>
    public void EndWait() => _waitsWithBuffer = false;

    /// <summary>Ends a read that waits with an empty buffer.</summary>
    // CancelAsync: the callbacks may run the code of the host's stream.
    public readonly void ReleaseIdle()
    {
        if (_waitsWithBuffer)
            _ = CancelWaitAsync();
    }

    /// <summary>Ends a read that waits with an empty buffer, or is about to.</summary>
    public readonly Task CancelWaitAsync() => Volatile.Read(in _wait)?.CancelAsync() ?? Task.CompletedTask;
}
