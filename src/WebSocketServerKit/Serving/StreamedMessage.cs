using System.Buffers;
using System.Runtime.ExceptionServices;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Protocol.Messages;
using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.Serving;

/// <summary>
/// A message that the host writes while it is being sent. Fragments are sent when they are full or flushed; a message that ends before is sent as a single frame.
/// <para>It holds the fragment turn of the send queue from its creation to its end. One write at a time: a concurrent write throws.</para>
/// <para>A flush is held back until more is written, but for two ticks of the clock at most. For writers such as <see cref="StreamWriter"/> flush at their end as well, and an empty fragment would
/// have to follow. When the clock sends what is held, it is the writer, and the host's next write waits for it.</para>
/// </summary>
internal sealed class StreamedMessage(
    WebSocketClient client, SendQueue queue, MessageCompressor? compressor, Opcode opcode, ArrayPool<byte> pool, SliceClock clock, CancellationToken cancellation)
    : Stream, IHeldBack, IThreadPoolWorkItem
{
    // With its header it fills an array of the pool.
    private const int MaxFragment = 64 * 1024 - FrameHeaderWriter.MaxSize;

    private PooledBuffer _written = new(pool);    // room for a frame header, then what was written and not yet sent or compressed
    private PooledBuffer _compressed = new(pool); // room for a frame header, then what was compressed and not yet sent
    private MessageDeflater? _deflater;           // for fragments, if they are compressed
    private Utf8Validator _text;
    private long _length;
    private bool _isFragmented;                   // fragments are sent; it is decided whether they are compressed
    private bool _hasBegun;                       // the first frame was sent
    private bool _isBroken;                       // a write failed, so the message is not complete
    private Exception? _failure;                  // of a write by the clock: the host's next call throws it
    private volatile bool _isHeld;                // what was written is flushed, and not sent yet
    private TaskCompletionSource? _sending;       // the clock has the message, or tries to get it
    private State _state;

    private enum State
    {
        Ready,

        /// <summary>A call of the host is in progress.</summary>
        Writing,

        /// <summary>What is held is being sent.</summary>
        Sending,
        Ended,
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw CannotSeek();

    public override long Position { get => throw CannotSeek(); set => throw CannotSeek(); }

    private int Room => _written.IsEmpty ? MaxFragment : MaxFragment + FrameHeaderWriter.MaxSize - _written.Length;

    private ReadOnlySpan<byte> Unsent => _written.IsEmpty ? default : _written.Written.Span[FrameHeaderWriter.MaxSize..];

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await EnterAsync().ConfigureAwait(false);
        try
        {
            ThrowIfFailed();
            if (opcode == Opcode.Text && !_text.Accepts(buffer.Span))
                throw NotUtf8();
            _length += buffer.Length;
            if (_isHeld && !buffer.IsEmpty)
                await SendFragmentAsync(flush: true, cancellationToken).ConfigureAwait(false);
            // A full fragment is kept until more is written: a message that fits into one frame is sent as one.
            while (buffer.Length > Room)
            {
                int count = Room;
                Gather(buffer.Span[..count]);
                buffer = buffer[count..];
                await SendFragmentAsync(flush: false, cancellationToken).ConfigureAwait(false);
            }

            Gather(buffer.Span);
        }
        catch
        {
            _isBroken = true;
            throw;
        }
        finally
        {
            Leave(State.Writing);
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        await EnterAsync().ConfigureAwait(false);
        try
        {
            ThrowIfFailed();
            cancellationToken.ThrowIfCancellationRequested();
            if (!Unsent.IsEmpty && !_isHeld)
            {
                if (queue.IsClosed)
                    throw client.HasLeft();
                _isHeld = true;
                clock.Hold(this);
            }
        }
        catch
        {
            _isBroken = true;
            throw;
        }
        finally
        {
            Leave(State.Writing);
        }
    }

    /// <summary>Called by the clock when a flush has been held for long enough.</summary>
    public void LetGo() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    public void Execute() => _ = SendHeldAsync();

    /// <summary>Sends the last frame of the message.</summary>
    public async Task EndAsync()
    {
        await EnterAsync().ConfigureAwait(false);
        _state = State.Ended;
        ThrowIfFailed();
        if (_isBroken)
            throw new InvalidOperationException("A write to the message failed, so it is not whole and cannot be finished. Let the exception of a write through.");
        if (opcode == Opcode.Text && !_text.EndsHere())
            throw NotUtf8();
        ReadOnlyMemory<byte> frame = _isFragmented ? Fragment(flush: true, fin: true) : OnlyFrame();
        Check(await queue.SendLastFragmentAsync(frame, _length, cancellation).ConfigureAwait(false));
        _hasBegun = true;
    }

    /// <summary>Returns its buffers and its compressor; further writes throw. True if nothing was sent, so that the message can be taken back.</summary>
    public bool Release()
    {
        // A write that was not awaited still uses the buffers, and may still send a fragment.
        if (Interlocked.Exchange(ref _state, State.Ended) is State.Writing or State.Sending)
            return false;
        GiveBack();
        return !_hasBegun;
    }

    public override void Write(byte[] buffer, int offset, int count) => throw MayWait();

    public override void Write(ReadOnlySpan<byte> buffer) => throw MayWait();

    /// <summary>Does nothing. It must not throw, because wrapping streams call it when they are disposed of.</summary>
    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("A message to a client can only be written.");

    public override long Seek(long offset, SeekOrigin origin) => throw CannotSeek();

    public override void SetLength(long value) => throw CannotSeek();

    private async ValueTask EnterAsync()
    {
        State before;
        while ((before = Interlocked.CompareExchange(ref _state, State.Writing, State.Ready)) == State.Sending)
        {
            if (Volatile.Read(ref _sending) is { } sending)
                await sending.Task.ConfigureAwait(false);
        }

        if (before == State.Ready)
            return;
        _isBroken = true;
        throw before == State.Writing
            ? new InvalidOperationException("The message is being written to. Await each write before the next one, and before the message ends.")
            : new ObjectDisposedException(nameof(Stream), "The message has ended. Write to it only as long as the function that was given to SendAsync runs.");
    }

    private void Leave(State state)
    {
        if (Interlocked.CompareExchange(ref _state, State.Ready, state) != state)
            GiveBack();
    }

    private async Task SendHeldAsync()
    {
        var sending = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // Set before the state, for the host waits for it when it sees the state. An earlier call that is not over yet does the work of this one.
        if (Interlocked.CompareExchange(ref _sending, sending, null) is not null)
            return;
        State before = Interlocked.CompareExchange(ref _state, State.Sending, State.Ready);
        if (before == State.Ready)
            await SendIfHeldAsync().ConfigureAwait(false);
        else if (before == State.Writing && _isHeld)
            clock.Hold(this); // the host has just flushed again
        Volatile.Write(ref _sending, null);
        sending.SetResult();
    }

    private async ValueTask SendIfHeldAsync()
    {
        try
        {
            // The host has written more since, which has sent what was held. What it wrote is not flushed.
            if (!_isHeld)
                return;
            await SendFragmentAsync(flush: true, default).ConfigureAwait(false);
            // The next write may come late: do not hold the buffer until then.
            _written.Release();
        }
        catch (Exception failure)
        {
            _isBroken = true;
            _failure = failure;
        }
        finally
        {
            Leave(State.Sending);
        }
    }

    private void ThrowIfFailed()
    {
        if (_failure is not null)
            ExceptionDispatchInfo.Throw(_failure);
    }

    private void GiveBack()
    {
        _written.Release();
        _compressed.Release();
        if (_deflater is not null)
            compressor!.EndMessage(_deflater);
        _deflater = null;
    }

    private void Gather(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return;
        ReserveHeader(ref _written);
        _written.Append(bytes);
    }

    private async ValueTask SendFragmentAsync(bool flush, CancellationToken cancellationToken)
    {
        _isHeld = false;
        ReadOnlyMemory<byte> frame = Fragment(flush, fin: false);
        if (frame.IsEmpty)
            return;
        Check(await queue.SendFragmentAsync(frame, cancellationToken.CanBeCanceled ? cancellationToken : cancellation).ConfigureAwait(false));
        _hasBegun = true;
        if (_deflater is null)
            _written.Clear();
        else
            KeepTail();
    }

    // A frame of all that can be sent by now. Empty if there is nothing to send and the message goes on.
    private ReadOnlyMemory<byte> Fragment(bool flush, bool fin)
    {
        if (!_isFragmented)
            _deflater = compressor?.BeginMessage();
        _isFragmented = true;
        if (_deflater is null)
        {
            ReserveHeader(ref _written);
            return Frame(in _written, held: 0, fin);
        }

        ReserveHeader(ref _compressed);
        _deflater.Write(Unsent, ref _compressed);
        _written.Clear();
        if (fin)
            _deflater.End(ref _compressed);
        else if (flush)
            _deflater.Flush(ref _compressed);
        // RFC 7692 7.2.1 removes the tail of a flush from the end of a message: so the latest octets are held until it is known whether more follows.
        return Frame(in _compressed, held: fin ? 0 : MessageDeflater.TailSize, fin);
    }

    // The message ended before a fragment was sent: it is sent like any other.
    private ReadOnlyMemory<byte> OnlyFrame()
    {
        if (compressor is not null && compressor.Takes(Unsent.Length) && compressor.Compress(opcode, Unsent, ref _compressed) is { IsEmpty: false } compressed)
            return compressed;
        ReserveHeader(ref _written);
        return Frame(in _written, held: 0, fin: true);
    }

    private ReadOnlyMemory<byte> Frame(in PooledBuffer buffer, int held, bool fin)
    {
        if (buffer.Length <= FrameHeaderWriter.MaxSize + held && !fin)
            return default;
        // 5.4: "The primary purpose of fragmentation is to allow sending a message that is of unknown size when the message is started".
        // RFC 7692 6: "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments of a data message."
        return FrameHeaderWriter.WriteBefore(buffer.Written[..^held], _hasBegun ? Opcode.Continuation : opcode, fin, rsv1: _deflater is not null && !_hasBegun);
    }

    private void KeepTail()
    {
        Span<byte> tail = stackalloc byte[MessageDeflater.TailSize];
        _compressed.Written.Span[^MessageDeflater.TailSize..].CopyTo(tail);
        _compressed.Clear();
        ReserveHeader(ref _compressed);
        _compressed.Append(tail);
    }

    private static void ReserveHeader(ref PooledBuffer buffer)
    {
        if (!buffer.IsEmpty)
            return;
        buffer.GetSpan(FrameHeaderWriter.MaxSize);
        buffer.Advance(FrameHeaderWriter.MaxSize);
    }

    private void Check(SendOutcome outcome)
    {
        if (outcome == SendOutcome.Closed)
            throw client.HasLeft();
    }

    private static ArgumentException NotUtf8() =>
        new("A text message must be valid UTF-8 from its beginning to its end; clients have to close the connection over anything else. Send it as binary.");

    private static NotSupportedException MayWait() => new("A write may have to wait for the client, and must not block a thread for that. Use WriteAsync and FlushAsync.");

    private static NotSupportedException CannotSeek() => new("A message is sent as it is written: there is no going back, and its length is not known before its end.");
}
