namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// One sender in the <see cref="WaitingLine"/>, and the task that it awaits.
/// <para>Invariants: it ends once, by the outcome or by cancellation, whichever takes it out of the line first. Continuations never run inside the lock of the
/// queue.</para>
/// </summary>
internal sealed class WaitingSend : TaskCompletionSource<SendOutcome>
{
    private readonly SendQueue _queue;
    private CancellationTokenRegistration _cancellation;

    /// <summary>Makes a sender that is not in line yet.</summary>
    /// <param name="queue">The queue that is told of a cancellation.</param>
    /// <param name="kind">What it asks for.</param>
    /// <param name="frame">The whole frame; it must not change until the task has ended.</param>
    /// <param name="payloadLength">The length of the whole message before it was compressed, if it was.</param>
    public WaitingSend(SendQueue queue, SendKind kind, ReadOnlyMemory<byte> frame, long payloadLength)
        : base(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        _queue = queue;
        Kind = kind;
        Frame = frame;
        PayloadLength = payloadLength;
        Place = new LinkedListNode<WaitingSend>(this);
    }

    public SendKind Kind { get; }

    public ReadOnlyMemory<byte> Frame { get; }

    public long PayloadLength { get; }

    /// <summary>The place in the line.</summary>
    public LinkedListNode<WaitingSend> Place { get; }

    /// <summary>Lets the token end the wait. Call it outside the lock of the queue: a token that is cancelled already takes the sender out of the line at once.</summary>
    public void CancelWith(CancellationToken token)
    {
        _cancellation = token.UnsafeRegister(
            static (sender, token) =>
            {
                var cancelled = (WaitingSend)sender!;
                if (cancelled._queue.TryWithdraw(cancelled))
                    cancelled.TrySetCanceled(token);
            },
            this);
        Interlocked.MemoryBarrier(); // store _cancellation, then read the task's state; Complete does the reverse, so one of the two unregisters
        if (Task.IsCompleted)
            _cancellation.Unregister();
    }

    /// <summary>Ends the wait of a sender that has left the line.</summary>
    public void Complete(SendOutcome outcome)
    {
        TrySetResult(outcome);
        Interlocked.MemoryBarrier();
        // Unregister, not Dispose: Dispose would wait for a running callback, which may be waiting for the queue's lock.
        _cancellation.Unregister();
    }
}
