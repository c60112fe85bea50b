namespace WebSocketServerKit.Connections.Sending;

/// <summary>Is told by a <see cref="SendQueue"/> that its client reads too slowly.</summary>
internal interface ISlowReadingListener
{
    /// <summary>So many messages do not reach the client. Called inside the lock of the queue.</summary>
    void MessagesDropped(int count);

    /// <summary>A newer message took the place of a pending one. Called inside the lock of the queue.</summary>
    void MessageReplaced();

    /// <summary>The client has begun to read too slowly, or has caught up. Called inside the lock of the queue.</summary>
    void SlowReadingChanged(bool isSlow);

    /// <summary>The queue is full, and the policy is to disconnect. Called outside the lock of the queue.</summary>
    void ReadsTooSlowly();
}

/// <summary>
/// What a <see cref="SendQueue"/> counts of a client that reads too slowly. Made when the first message is dropped, replaced or has to wait. The lock of the queue
/// guards it; any thread may read.
/// </summary>
internal sealed class SlowReading(ISlowReadingListener? listener)
{
    private volatile bool _isSlow;

    public bool IsSlow => _isSlow;

    /// <summary>Messages that do not reach the client.</summary>
    public long Dropped { get; private set; }

    /// <summary>Pending messages whose place a newer one took.</summary>
    public long Replaced { get; private set; }

    public void Drop(int count)
    {
        Dropped += count;
        listener?.MessagesDropped(count);
        Begin();
    }

    public void Replace()
    {
        Replaced++;
        listener?.MessageReplaced();
        Begin();
    }

    public void Begin() => Change(isSlow: true);

    /// <summary>The client has taken all that was pending.</summary>
    public void End() => Change(isSlow: false);

    private void Change(bool isSlow)
    {
        if (_isSlow == isSlow)
            return;
        _isSlow = isSlow;
        listener?.SlowReadingChanged(isSlow);
    }
}
