using System.Net.WebSockets;
using System.Threading.Tasks.Sources;

namespace WebSocketServerKit.Connections.Receiving;

/// <summary>The rest of a message that a handler reads does not come. It is an end of the client, and no failure of the handler.</summary>
internal sealed class InterruptedMessageException(string message, Exception? innerException = null) : IOException(message, innerException);

/// <summary>
/// Hands the parts of one message from the receive loop to a reader. It keeps none: a part lies in the input of the connection, and the loop does not go on until the reader has copied it.
/// <para>Invariants: there is one part at a time; the lock guards the part and who waits. The loop waits for the reader, or the reader for the loop, never both. No code of the host runs inside
/// the lock. Any thread may end it with <see cref="Fail"/> or <see cref="Close"/>: from then on it does not refer to the input.</para>
/// </summary>
internal sealed class MessageParts : IValueTaskSource<int>, IValueTaskSource
{
    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<int> _read = new() { RunContinuationsAsynchronously = true };
    private ManualResetValueTaskSourceCore<bool> _taken = new() { RunContinuationsAsynchronously = true };

    // The lock guards all fields below but the last.
    private ReadOnlyMemory<byte> _part;
    private Memory<byte> _destination;                 // of the read that waits
    private CancellationTokenRegistration _cancellation; // of that read
    private bool _isReading;                           // a read has begun, and its result was not fetched
    private bool _isReadWaiting;
    private bool _isLoopWaiting;
    private bool _isLast;                              // the part is the message's last one
    private bool _isClosed;                            // nobody reads any more
    private Exception? _failure;
    private long _waits;

    // Of the heartbeat.
    private long _beatAt;
    private long _waitedForPeer;

    /// <param name="messageType">The type of the message.</param>
    /// <param name="now">The heartbeat's time.</param>
    public MessageParts(WebSocketMessageType messageType, long now)
    {
        MessageType = messageType;
        _beatAt = now;
    }

    public WebSocketMessageType MessageType { get; }

    /// <summary>Whether handlers were called and have not ended, as far as the loop knows. For the loop.</summary>
    public bool HasHandlers { get; set; }

    /// <summary>Whether the loop hands on no more parts. Set by the loop.</summary>
    public bool IsOver
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    }

    /// <summary>Whether there is more of the message to read.</summary>
    public bool HasRest
    {
        get
        {
            lock (_gate)
                return !_isClosed && _failure is null && !(_isLast && _part.IsEmpty);
        }
    }

    /// <summary>Identifies the current wait of the loop for the reader: odd while it waits, and different for each wait. Negative, so that it equals no value of <c>HandlerScope.Run</c>.</summary>
    public long Wait => Volatile.Read(ref _waits);

    /// <summary>Gives the reader the next part. The loop calls it when the part before was taken, and not on a thread that is raising events: the reader's context may be told.</summary>
    public void Put(ReadOnlyMemory<byte> part, bool isLast)
    {
        int count = 0;
        bool endsRead;
        lock (_gate)
        {
            if (_isClosed || _failure is not null)
                return;
            (_part, _isLast) = (part, isLast);
            endsRead = _isReadWaiting;
            if (endsRead)
                count = Take(EndRead());
        }

        if (endsRead)
            _read.SetResult(count);
    }

    /// <summary>Whether the loop may go on: the part was taken, or nobody will take it. If not, await <see cref="WhenTaken"/> and call <see cref="EndWait"/>.</summary>
    public bool TryGoOn()
    {
        lock (_gate)
        {
            if (_part.IsEmpty)
                return true;
            _taken.Reset();
            _isLoopWaiting = true;
            Volatile.Write(ref _waits, _waits - 1);
            return false;
        }
    }

    public ValueTask WhenTaken() => new(this, _taken.Version);

    /// <summary>Notes that the loop goes on.</summary>
    public void EndWait() => Volatile.Write(ref _waits, _waits - 1);

    /// <summary>Copies what is there of the message. Waits if nothing is; 0 at its end. Await it before the next call.</summary>
    /// <exception cref="IOException">The rest does not come.</exception>
    /// <exception cref="InvalidOperationException">Another read has not ended.</exception>
    /// <exception cref="ObjectDisposedException"><see cref="Close"/> was called.</exception>
    public ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<int>(cancellationToken);
        int count;
        short version;
        bool isLoopToGoOn = false;
        lock (_gate)
        {
            if (_isReading)
                throw new InvalidOperationException("The message is being read. Await each read before the next one.");
            if (_isClosed)
                throw Closed();
            bool waits = _part.IsEmpty && !_isLast;
            if (waits && _failure is not null)
                throw Interrupted(_failure);
            count = waits ? -1 : Take(destination);
            if (waits)
            {
                _read.Reset();
                (_destination, _isReading, _isReadWaiting) = (destination, true, true);
            }
            else
            {
                isLoopToGoOn = _part.IsEmpty && EndLoopWait();
            }

            version = _read.Version;
        }

        if (isLoopToGoOn)
            _taken.SetResult(true);
        if (count >= 0)
            return new ValueTask<int>(count);
        if (cancellationToken.CanBeCanceled)
            CancelWith(version, cancellationToken);
        return new ValueTask<int>(this, version);
    }

    /// <summary>Ends it without the rest of the message. Does nothing if the last part was put, unless that part is dropped too.</summary>
    public void Fail(Exception failure, bool dropsLastPart = false)
    {
        bool endsRead;
        bool isLoopToGoOn;
        lock (_gate)
        {
            if (_isClosed || _failure is not null || (_isLast && !dropsLastPart))
                return;
            _failure = failure;
            _isLast &= _part.IsEmpty;
            _part = default;
            endsRead = _isReadWaiting;
            if (endsRead)
                EndRead();
            isLoopToGoOn = EndLoopWait();
        }

        if (endsRead)
            _read.SetException(Interrupted(failure));
        if (isLoopToGoOn)
            _taken.SetResult(true);
    }

    /// <summary>Nobody reads any more: the rest of the message is passed over.</summary>
    public void Close()
    {
        bool endsRead;
        bool isLoopToGoOn;
        lock (_gate)
        {
            _isClosed = true;
            _part = default;
            endsRead = _isReadWaiting;
            if (endsRead)
                EndRead();
            isLoopToGoOn = EndLoopWait();
        }

        if (endsRead)
            _read.SetException(Closed());
        if (isLoopToGoOn)
            _taken.SetResult(true);
    }

    /// <summary>Adds the time since the last beat if the server has waited for the peer. Called by the heartbeat.</summary>
    /// <returns>Whether that time has reached the limit.</returns>
    public bool IsOverdue(long now, bool waitsForPeer, long limit)
    {
        if (waitsForPeer)
            _waitedForPeer += now - _beatAt;
        _beatAt = now;
        return _waitedForPeer >= limit;
    }

    int IValueTaskSource<int>.GetResult(short token)
    {
        try
        {
            return _read.GetResult(token);
        }
        finally
        {
            lock (_gate)
                _isReading = false;
        }
    }

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _read.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.GetResult(short token) => _taken.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _taken.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _taken.OnCompleted(continuation, state, token, flags);

    // A new exception for each read that throws it.
    private static InterruptedMessageException Interrupted(Exception failure) => new(failure.Message, failure.InnerException);

    private static ObjectDisposedException Closed() =>
        new(nameof(Stream), "The message is no longer there: its handler has ended, or has disposed of the stream. Await all reads in the handler.");

    private int Take(Memory<byte> destination)
    {
        int count = Math.Min(destination.Length, _part.Length);
        _part.Span[..count].CopyTo(destination.Span);
        _part = _part[count..];
        return count;
    }

    private Memory<byte> EndRead()
    {
        Memory<byte> destination = _destination;
        _cancellation.Unregister();
        (_destination, _cancellation, _isReadWaiting) = (default, default, false);
        return destination;
    }

    private bool EndLoopWait()
    {
        bool isLoopWaiting = _isLoopWaiting;
        _isLoopWaiting = false;
        return isLoopWaiting;
    }

    private void CancelWith(short version, CancellationToken cancellationToken)
    {
        CancellationTokenRegistration cancellation = cancellationToken.UnsafeRegister(
            static (read, token) => ((WaitingRead)read!).Parts.Cancel(((WaitingRead)read).Version, token), new WaitingRead(this, version));
        lock (_gate)
        {
            if (_isReadWaiting && _read.Version == version)
                _cancellation = cancellation;
            else
                cancellation.Unregister();
        }
    }

    private void Cancel(short version, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_isReadWaiting || _read.Version != version)
                return;
            EndRead();
        }

        _read.SetException(new OperationCanceledException(cancellationToken));
    }

    private sealed record WaitingRead(MessageParts Parts, short Version);
}
