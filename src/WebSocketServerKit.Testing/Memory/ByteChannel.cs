using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit.Testing.Memory;

/// <summary>
/// One direction of a connection in memory: a bounded queue of bytes, with the ends that TCP has. One reader at a time; concurrent writes come one after the other. Waiters continue on the thread
/// pool, so nobody's code runs on the thread of somebody else.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A semaphore without a wait handle has nothing to dispose of.")]
internal sealed class ByteChannel(int capacity)
{
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _oneWriter = new(1, 1);
    private byte[] _bytes = [];
    private int _start;
    private int _count;
    private bool _hasEnded;         // the writer has sent a FIN
    private bool _isReaderGone;
    private bool _isPaused;
    private IOException? _failure;
    private TaskCompletionSource? _readable; // not null while the reader waits
    private TaskCompletionSource? _writable; // not null while a writer waits
    private long _activity;

    /// <summary>Grows with whatever happens here: two equal values mean that nothing has happened between.</summary>
    public long Activity
    {
        get
        {
            lock (_gate)
                return _activity;
        }
    }

    /// <summary>Bytes that were written and not read.</summary>
    public int Unread
    {
        get
        {
            lock (_gate)
                return _count;
        }
    }

    /// <summary>Whether the reader has read everything, and waits for more.</summary>
    public bool IsReadEmpty
    {
        get
        {
            lock (_gate)
                return _count == 0 && _readable is not null;
        }
    }

    public bool IsPaused
    {
        get
        {
            lock (_gate)
                return _isPaused;
        }
    }

    /// <summary>Reads bytes; 0 at the end. With an empty buffer it waits until there is something to read.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            TaskCompletionSource waiting;
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_isReaderGone, typeof(Stream));
                // A reset passes the pause, as that of TCP passes the bytes that nobody has read.
                if (_failure is not null && (_isPaused || _count == 0))
                    throw new IOException(_failure.Message, _failure);
                if (!_isPaused && (_count > 0 || _hasEnded))
                    return Take(buffer.Span);
                waiting = _readable ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _activity++;
            }

            try
            {
                await waiting.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                lock (_gate)
                    _readable = null;
                throw;
            }
        }
    }

    /// <summary>Writes all bytes; waits while there is no room.</summary>
    /// <exception cref="IOException">The reader is gone, or the connection is lost.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await _oneWriter.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (!bytes.IsEmpty)
            {
                TaskCompletionSource? waiting = null;
                lock (_gate)
                {
                    if (_failure is not null)
                        throw new IOException(_failure.Message, _failure);
                    if (_isReaderGone || _hasEnded)
                        throw new IOException(_hasEnded ? "This side of the connection has ended." : "The other side has closed the connection.");
                    if (_count == capacity)
                        waiting = _writable ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    else
                        bytes = bytes[Put(bytes.Span)..];
                }

                if (waiting is not null)
                    await waiting.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _oneWriter.Release();
        }
    }

    /// <summary>The writer's end: the reader gets what was written, and then the end.</summary>
    public void End()
    {
        lock (_gate)
        {
            _hasEnded = true;
            WakeAll();
        }
    }

    /// <summary>The connection is lost: the reader gets what was written, and then the failure. The first failure counts.</summary>
    public void Fail(string reason)
    {
        lock (_gate)
        {
            if (!_hasEnded)
                _failure ??= new IOException(reason);
            WakeAll();
        }
    }

    /// <summary>The reader's end: what is written from now on fails.</summary>
    public void CloseReader()
    {
        lock (_gate)
        {
            _isReaderGone = true;
            _count = 0;
            WakeAll();
        }
    }

    /// <summary>Lets the reader wait, whatever there is to read, until <see cref="Resume"/>.</summary>
    public void Pause()
    {
        lock (_gate)
            _isPaused = true;
    }

    public void Resume()
    {
        lock (_gate)
        {
            _isPaused = false;
            WakeAll();
        }
    }

    // Under the lock, as all that follow.
    private int Take(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _count);
        _bytes.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        _count -= count;
        _activity++;
        if (count > 0)
            Wake(ref _writable);
        return count;
    }

    private int Put(ReadOnlySpan<byte> bytes)
    {
        int count = Math.Min(bytes.Length, capacity - _count);
        if (_start + _count + count > _bytes.Length)
        {
            byte[] larger = _count + count > _bytes.Length ? new byte[Math.Min(capacity, Math.Max(2 * _bytes.Length, _count + count))] : _bytes;
            _bytes.AsSpan(_start, _count).CopyTo(larger);
            _bytes = larger;
            _start = 0;
        }

        bytes[..count].CopyTo(_bytes.AsSpan(_start + _count));
        _count += count;
        _activity++;
        if (!_isPaused)
            Wake(ref _readable);
        return count;
    }

    private void WakeAll()
    {
        _activity++;
        Wake(ref _readable);
        Wake(ref _writable);
    }

    private static void Wake(ref TaskCompletionSource? waiting)
    {
        waiting?.TrySetResult();
        waiting = null;
    }
}
