using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using System.Threading.Channels;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.TestKit;

/// <summary>
/// A connection without a network. The test plays the peer: it decides which bytes come and how the input ends, when a write is taken and
/// whether it fails. What breaks the contract of <see cref="TransportConnection"/> is written down in <see cref="Breaches"/>.
/// </summary>
internal sealed class ScriptedTransport : TransportConnection
{
    private readonly int _segmentSize;
    private Pipe _input;
    private readonly Channel<byte[]> _begun = Channel.CreateUnbounded<byte[]>();
    private readonly List<byte[]> _writes = [];
    private readonly List<string> _breaches = [];
    private readonly TaskCompletionSource _shutDown = Timely.Signal();
    private readonly TaskCompletionSource _aborted = Timely.Signal();
    private readonly Lock _gate = new();
    private readonly Lock _inputGate = new();
    private readonly Queue<byte[]> _arrived = []; // and nobody has received it yet: under _inputGate, as the next three
    private bool _hasEnded;
    private Exception? _inputFailure;
    private bool _isWaitedFor;
    private long _taken;
    private TaskCompletionSource _idle = Timely.Signal();
    private TaskCompletionSource? _held;       // the write that is under way
    private ReadOnlyMemory<byte> _heldBytes;   // what it was given
    private Exception? _writeFailure;
    private bool _holding;

    /// <param name="segmentSize">The size of the pieces in which the input lies; 0 for what is usual.</param>
    /// <param name="remoteAddress">Where the peer is.</param>
    public ScriptedTransport(int segmentSize = 0, string remoteAddress = "203.0.113.7")
    {
        RemoteEndPoint = new IPEndPoint(IPAddress.Parse(remoteAddress), 50_000);
        _segmentSize = segmentSize;
        _input = NewPipe();
        Input = new Reader(this);
    }

    public override PipeReader Input { get; }

    public override EndPoint RemoteEndPoint { get; }

    public override EndPoint LocalEndPoint { get; } = new IPEndPoint(IPAddress.Parse("192.0.2.1"), 8080);

    /// <summary>How often the owner said that the peer is silent.</summary>
    public int IdleReleases { get; private set; }

    public int Shutdowns { get; private set; }

    public int Aborts { get; private set; }

    public int Disposals { get; private set; }

    /// <summary>Completes when our side has been ended.</summary>
    public Task WhenShutDown => _shutDown.Task;

    public Task WhenAborted => _aborted.Task;

    /// <summary>Called with each write, on the writer's thread, before it is taken.</summary>
    public Action? OnWrite { get; set; }

    /// <summary>Each write that was begun, as one array.</summary>
    public IReadOnlyList<byte[]> Writes
    {
        get
        {
            lock (_gate)
                return [.. _writes];
        }
    }

    public IReadOnlyList<string> Breaches
    {
        get
        {
            lock (_gate)
                return [.. _breaches];
        }
    }

    /// <summary>All that was written, in one piece.</summary>
    public byte[] Written => [.. Writes.SelectMany(write => write)];

    /// <summary>All that was written behind the answer to the handshake.</summary>
    public IReadOnlyList<SentFrame> Frames
    {
        get
        {
            byte[] written = Written;
            ReadOnlySpan<byte> end = "\r\n\r\n"u8;
            int head = written.AsSpan().StartsWith("HTTP"u8) ? written.AsSpan().IndexOf(end) + end.Length : 0;
            return SentFrame.Parse(written.AsSpan(head));
        }
    }

    /// <summary>Completes when all input so far has been read, and somebody waits for more.</summary>
    public Task WhenIdle
    {
        get
        {
            lock (_inputGate)
                return _idle.Task.InTime();
        }
    }

    /// <summary>All pieces arrive at once.</summary>
    public void Receive(params byte[][] pieces) => Stir(() =>
    {
        foreach (byte[] piece in pieces)
            _arrived.Enqueue(piece);
    });

    public void Receive(string latin1) => Receive(Encoding.Latin1.GetBytes(latin1));

    /// <summary>The peer ends its side with a FIN.</summary>
    public void EndInput() => Stir(() => _hasEnded = true);

    /// <summary>The connection is reset.</summary>
    public void Reset() => Break(new IOException("reset by peer"));

    /// <summary>The input ends in a way that no network knows.</summary>
    public void Break(Exception exception) => Stir(() => _inputFailure ??= exception);

    /// <summary>From now on writes wait for <see cref="LetWriteEnd"/> or <see cref="LetAllWritesEnd"/>.</summary>
    public void HoldWrites()
    {
        lock (_gate)
            _holding = true;
    }

    public void LetWriteEnd() => EndHeldWrite(holding: true, null);

    public void LetAllWritesEnd() => EndHeldWrite(holding: false, null);

    /// <summary>The write under way fails, and so does every later one.</summary>
    public void FailWrites(Exception failure)
    {
        lock (_gate)
            _writeFailure ??= failure;
        EndHeldWrite(holding: false, failure);
    }

    /// <summary>The next write that nobody has taken yet, as soon as it begins.</summary>
    public Task<byte[]> NextWriteAsync() => _begun.Reader.ReadAsync(TestContext.Current.CancellationToken).InTime();

    /// <summary>How many bytes <see cref="TryWrite"/> takes, all calls together.</summary>
    public int TakenAtOnce { get; set; }

    public override int TryWrite(ReadOnlySpan<byte> bytes)
    {
        int count = Math.Min(bytes.Length, TakenAtOnce);
        TakenAtOnce -= count;
        lock (_gate)
        {
            if (_held is not null)
                _breaches.Add("two writes at once");
            if (count > 0)
                _writes.Add(bytes[..count].ToArray());
            _taken += count;
        }

        return count;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        byte[] copy = bytes.ToArray();
        OnWrite?.Invoke();
        Task task;
        lock (_gate)
        {
            if (_held is not null)
                _breaches.Add("two writes at once");
            if (Disposals > 0)
                _breaches.Add("a write after the disposal");
            if (_writeFailure is not null)
                return ValueTask.FromException(_writeFailure);
            _writes.Add(copy);
            if (_holding)
                (_held, _heldBytes) = (Timely.Signal(), bytes);
            else
                _taken += copy.Length;
            task = _held?.Task ?? Task.CompletedTask;
        }

        _begun.Writer.TryWrite(copy);
        return new ValueTask(task);
    }

    public override bool HasUnread
    {
        get
        {
            lock (_inputGate)
                return PretendsUnread || _arrived.Count > 0;
        }
    }

    public override bool HasPeerEnded
    {
        get
        {
            lock (_inputGate)
                return _hasEnded || _inputFailure is not null;
        }
    }

    public override long BytesTaken => Volatile.Read(ref _taken);

    public override int TryReceive(Span<byte> buffer, out bool ended)
    {
        Action? onTryReceive = OnTryReceive;
        OnTryReceive = null;
        onTryReceive?.Invoke();
        lock (_inputGate)
        {
            ended = false;
            if (_arrived.TryDequeue(out byte[]? piece))
            {
                int count = Math.Min(piece.Length, buffer.Length);
                piece.AsSpan(0, count).CopyTo(buffer);
                // What did not fit stays the first.
                byte[][] rest = count < piece.Length ? [piece[count..], .. _arrived] : [];
                if (rest.Length > 0)
                    _arrived.Clear();
                foreach (byte[] next in rest)
                    _arrived.Enqueue(next);
                return count;
            }

            if (_inputFailure is not null)
                throw _inputFailure;
            ended = _hasEnded;
            return 0;
        }
    }

    /// <summary>The size of the send buffer that was asked for, and whether it is a wish or a default; null before.</summary>
    public string? SendBuffer { get; private set; }

    public override void SetSendBuffer(int size, bool isWish) => SendBuffer = $"{size} {(isWish ? "wish" : "default")}";

    public override void ReleaseIdle()
    {
        IdleReleases++;
        OnReleaseIdle?.Invoke();
    }

    /// <summary>Whether bytes seem to lie in the socket for which the server has not found a thread yet.</summary>
    public bool PretendsUnread { get; set; }

    public Action? OnReleaseIdle { get; set; }

    /// <summary>Called, once, on the thread of whoever looks at the peer, before it receives.</summary>
    public Action? OnTryReceive { get; set; }

    /// <summary>Whether somebody waits for input.</summary>
    public bool IsWaitedFor
    {
        get
        {
            lock (_inputGate)
                return _isWaitedFor;
        }
    }

    /// <summary>Whether the bytes that the input gave out were left to those who read them.</summary>
    public bool HasForgotten { get; private set; }

    public override int ForgetBuffers()
    {
        lock (_inputGate)
        {
            HasForgotten = true;
            _input = NewPipe();
            return HeldBytes;
        }
    }

    public override void ShutdownSend()
    {
        lock (_gate)
        {
            if (_held is not null)
                _breaches.Add("our side was ended with a write under way");
            _writeFailure ??= new IOException("our side has ended");
            Shutdowns++;
        }

        _shutDown.TrySetResult();
    }

    public override void Abort()
    {
        lock (_gate)
        {
            Aborts++;
            _writeFailure ??= new IOException("cut");
        }

        Break(new IOException("cut"));
        EndHeldWrite(holding: false, new IOException("cut"));
        _aborted.TrySetResult();
    }

    public override ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_held is not null)
                _breaches.Add("disposed with a write under way");
            Disposals++;
            _writeFailure ??= new IOException("disposed");
        }

        _input.Reader.Complete();
        return ValueTask.CompletedTask;
    }

    private Pipe NewPipe() => new(new PipeOptions(
        pauseWriterThreshold: 0,
        minimumSegmentSize: _segmentSize == 0 ? 4096 : _segmentSize,
        pool: _segmentSize == 0 ? null : new SmallMemoryPool(_segmentSize),
        useSynchronizationContext: false));

    private void EndHeldWrite(bool holding, Exception? failure)
    {
        TaskCompletionSource? held;
        lock (_gate)
        {
            _holding = holding;
            held = _held;
            // Who writes must leave the bytes alone until the write has ended.
            if (held is not null && !_heldBytes.Span.SequenceEqual(_writes[^1]))
                _breaches.Add("the bytes of a write changed while it was under way");
            if (held is not null && failure is null)
                _taken += _heldBytes.Length;
            (_held, _heldBytes) = (null, default);
        }

        if (failure is null)
            held?.SetResult();
        else
            held?.SetException(failure);
    }

    /// <summary>The peer takes some bytes of a write that is under way.</summary>
    public void Take(int bytes) => Interlocked.Add(ref _taken, bytes);

    // Who waits for input now has a reason to wake up.
    private void Stir(Action change)
    {
        lock (_inputGate)
        {
            _idle = Timely.Signal();
            change();
            if (_isWaitedFor)
                Pump();
        }
    }

    // What has arrived is read.
    private void Pump()
    {
        _isWaitedFor = false;
        bool any = _arrived.Count > 0;
        while (_arrived.TryDequeue(out byte[]? piece))
            _input.Writer.Write(piece);
        // Nothing pauses this writer, so it is done at once.
        if (any)
            Assert.True(_input.Writer.FlushAsync(TestContext.Current.CancellationToken).AsTask().IsCompletedSuccessfully);
        if (_inputFailure is not null || _hasEnded)
            _input.Writer.Complete(_inputFailure);
    }

    // Tells when somebody waits for input.
    private sealed class Reader(ScriptedTransport transport) : PipeReader
    {
        private PipeReader Inner => transport._input.Reader;

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            lock (transport._inputGate)
            {
                transport.Pump();
                ValueTask<ReadResult> read = Inner.ReadAsync(cancellationToken);
                transport._isWaitedFor = !read.IsCompleted;
                if (transport._isWaitedFor)
                    transport._idle.TrySetResult();
                return read;
            }
        }

        public override bool TryRead(out ReadResult result) => Inner.TryRead(out result);

        public override void AdvanceTo(SequencePosition consumed) => Inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => Inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null) => Inner.Complete(exception);
    }

    private sealed class SmallMemoryPool(int size) : MemoryPool<byte>
    {
        public override int MaxBufferSize => size;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => new Owner(new byte[size]);

        protected override void Dispose(bool disposing)
        {
            // Arrays of the garbage collector's.
        }

        private sealed record Owner(byte[] Array) : IMemoryOwner<byte>
        {
            public Memory<byte> Memory => Array;

            public void Dispose() => System.Array.Fill(Array, (byte)0xDD);
        }
    }
}
