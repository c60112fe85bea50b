using System.Buffers;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Receiving;

/// <summary>
/// What the server reads of a peer while handlers hold back its next message: so much that it sees a Ping, a Close frame and the end of the connection, and no more, for
/// the rest is the back-pressure. The bytes read ahead are stepped through in their turn.
/// <para>Not thread-safe. The heartbeat uses it while handlers run, and the receive loop while they do not: <see cref="ReceiveLoop"/> sees to that.</para>
/// </summary>
internal sealed class LookAhead(ConnectionLifetime connection, TransportConnection transport, ArrayPool<byte> pool, bool rsv1)
{
    /// <summary>Bytes that are read ahead of one peer at most.</summary>
    public const int Limit = 64 * 1024;

    private const int FirstPiece = 4 * 1024;
    private const int LargestPiece = 32 * 1024;

    private readonly List<Piece> _pieces = []; // a few; none is empty, and the last may have room for more
    private ControlFrameScanner _scanner = new(rsv1);
    private long _run;           // the run of handlers that the scanner began with
    private int _size;           // bytes of all arrays that are rented
    private int _answered;       // Pings that were answered ahead of their turn, and have not had it yet
    private int _answeredBefore; // those of them that the scanner has still to come by
    private byte[]? _taken;      // the array of the piece that is being stepped through
    private bool _ended;         // of the peer's side

    /// <summary>Whether bytes wait for their turn.</summary>
    public bool IsEmpty => _pieces.Count == 0;

    /// <summary>Bytes of memory that it holds.</summary>
    public int HeldBytes => _size;

    /// <summary>Bytes of memory that hold the bytes taken last.</summary>
    public int TakenBytes => _taken?.Length ?? 0;

    /// <summary>Whether the last look read all that the peer had sent. If not, a Ping or a Close frame may lie unseen.</summary>
    public bool SeesAll { get; private set; }

    /// <summary>Looks at what the peer has sent since the handlers of this run began.</summary>
    /// <param name="run">The present value of <see cref="HandlerScope.Run"/>.</param>
    /// <param name="rest">What was received before, behind the message that is being handled.</param>
    /// <param name="isOpen">Whether frames can come and be answered.</param>
    public void Look(long run, ReadOnlySpan<byte> rest, bool isOpen)
    {
        if (_run != run)
        {
            (_run, _answeredBefore) = (run, _answered);
            _scanner = new ControlFrameScanner(rsv1);
            if (isOpen)
                Scan(rest);
            foreach (Piece piece in _pieces)
                if (isOpen)
                    Scan(piece.Received);
        }

        SeesAll = _ended;
        while (!_ended && !SeesAll && (_size < Limit || _pieces is [.., { IsFull: false }]))
            Receive(isOpen);
        // What was read has filled its room; the end may lie behind it.
        if (!SeesAll && transport.HasPeerEnded)
            connection.PeerEnded(null);
    }

    /// <summary>Adds bytes that were received before.</summary>
    public void Add(in ReadOnlySequence<byte> bytes)
    {
        foreach (ReadOnlyMemory<byte> segment in bytes)
            if (!segment.IsEmpty)
                Rent(segment.Length).Append(segment.Span);
    }

    /// <summary>The next bytes to step through; <see cref="Done"/> follows. False when there are none.</summary>
    public bool TryTake(out Memory<byte> bytes)
    {
        bytes = default;
        if (_pieces.Count == 0)
            return false;
        _taken = _pieces[0].Array;
        bytes = _taken.AsMemory(0, _pieces[0].Length);
        _pieces.RemoveAt(0);
        return true;
    }

    /// <summary>The bytes taken last have been stepped through.</summary>
    public void Done()
    {
        if (_taken is { } taken)
            Return(taken);
        _taken = null;
    }

    /// <summary>A Ping has its turn. True if it was answered ahead.</summary>
    public bool TakeAnswered()
    {
        if (_answered == 0)
            return false;
        _answered--;
        return true;
    }

    /// <summary>Gives back all memory but that of the bytes taken last, which somebody may still be reading.</summary>
    public void Release()
    {
        foreach (Piece piece in _pieces)
            Return(piece.Array);
        _pieces.Clear();
    }

    private void Receive(bool isOpen)
    {
        Piece piece = _pieces is [.., { IsFull: false } last] ? last : Rent(Math.Clamp(_size, FirstPiece, LargestPiece));
        try
        {
            Span<byte> received = piece.Receive(transport, out _ended);
            SeesAll = received.IsEmpty;
            if (!SeesAll)
                connection.Heard();
            if (isOpen)
                Scan(received);
            if (_ended)
                connection.PeerEnded(null);
        }
        catch (IOException failure)
        {
            SeesAll = _ended = true;
            connection.PeerEnded(failure);
        }
        finally
        {
            if (piece.Length == 0)
            {
                _pieces.Remove(piece);
                Return(piece.Array);
            }
        }
    }

    private Piece Rent(int size)
    {
        var piece = new Piece(pool.Rent(size));
        _size += piece.Array.Length;
        _pieces.Add(piece);
        return piece;
    }

    private void Scan(ReadOnlySpan<byte> bytes)
    {
        for (ProtocolEvent found = _scanner.Next(ref bytes); found != ProtocolEvent.None; found = _scanner.Next(ref bytes))
        {
            ReadOnlySpan<byte> payload = _scanner.Payload.Span;
            if (found == ProtocolEvent.Ping)
            {
                AnswerOnce(payload);
            }
            else if (found == ProtocolEvent.Pong)
            {
                connection.PongReceived(payload);
            }
            else
            {
                CloseFrame.Parse(payload, out CloseCode code, out string reason);
                connection.PeerCloses(code, reason);
            }
        }
    }

    private void AnswerOnce(ReadOnlySpan<byte> payload)
    {
        if (_answeredBefore > 0)
        {
            _answeredBefore--;
            return;
        }

        _answered++;
        connection.Queue.Pong(payload);
    }

    private void Return(byte[] array)
    {
        _size -= array.Length;
        pool.Return(array);
    }

    private sealed class Piece(byte[] array)
    {
        public byte[] Array => array;

        public int Length { get; private set; }

        public bool IsFull => Length == array.Length;

        public ReadOnlySpan<byte> Received => array.AsSpan(0, Length);

        public void Append(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(array.AsSpan(Length));
            Length += bytes.Length;
        }

        public Span<byte> Receive(TransportConnection transport, out bool ended)
        {
            Span<byte> received = array.AsSpan(Length);
            received = received[..transport.TryReceive(received, out ended)];
            Length += received.Length;
            return received;
        }
    }
}
