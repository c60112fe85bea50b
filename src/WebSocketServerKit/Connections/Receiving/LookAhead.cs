using System.Buffers;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Receiving;

/// <summary>
/// Bounded read-ahead of one connection while its handlers run: finds Pings, Pongs, a Close frame and the end of the input before the receive loop gets to them.
/// <para>It buffers at most <see cref="Limit"/> bytes. Everything beyond that stays in the socket, so back-pressure still works. The receive loop parses the
/// buffered bytes later, in order.</para>
/// <para>Not thread-safe. The heartbeat uses it while handlers run, the receive loop at all other times. <see cref="ReceiveLoop"/> excludes one from the
/// other.</para>
/// </summary>
internal sealed class LookAhead(ConnectionLifetime connection, TransportConnection transport, ArrayPool<byte> pool, bool rsv1)
{
    /// <summary>The most bytes that are read ahead of one connection.</summary>
    public const int Limit = 64 * 1024;

    private const int FirstPiece = 4 * 1024;
    private const int LargestPiece = 32 * 1024;

    private readonly List<Piece> _pieces = []; // none is empty; only the last may have free space
    private ControlFrameScanner _scanner = new(rsv1);
    private long _run;           // the value of HandlerScope.Run for which the scanner was started
    private int _size;           // bytes of all rented arrays
    private int _answered;       // Pings answered here that the receive loop has not parsed yet
    private int _answeredBefore; // those of them that the current scanner will find again
    private byte[]? _taken;      // the array that the receive loop is parsing
    private bool _ended;         // the peer has ended its side

    /// <summary>Whether no buffered bytes are left to parse.</summary>
    public bool IsEmpty => _pieces.Count == 0;

    /// <summary>The size of all rented arrays in bytes.</summary>
    public int HeldBytes => _size;

    /// <summary>The size in bytes of the array that <see cref="TryTake"/> returned last, until <see cref="Done"/>.</summary>
    public int TakenBytes => _taken?.Length ?? 0;

    /// <summary>Whether the last look read all that the peer had sent. If not, an unseen Ping or Close frame may be in the socket.</summary>
    public bool SeesAll { get; private set; }

    /// <summary>Receives what the peer has sent, up to the limit, and acts on the control frames in it.</summary>
    /// <param name="run">The current value of <see cref="HandlerScope.Run"/>.</param>
    /// <param name="rest">The bytes that the receive loop has received after the message that is being handled.</param>
    /// <param name="isOpen">Whether the bytes are frames that may be answered. False before the answer to the handshake.</param>
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
        // The read-ahead is full. The end of the input may follow the unread bytes.
        if (!SeesAll && transport.HasPeerEnded)
            connection.PeerEnded(null);
    }

    /// <summary>Adds bytes that somebody else has received.</summary>
    public void Add(in ReadOnlySequence<byte> bytes)
    {
        foreach (ReadOnlyMemory<byte> segment in bytes)
            if (!segment.IsEmpty)
                Rent(segment.Length).Append(segment.Span);
    }

    /// <summary>Gets the next bytes to parse. The caller calls <see cref="Done"/> after that. False when there are none.</summary>
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

    /// <summary>Returns the array of <see cref="TryTake"/> to the pool.</summary>
    public void Done()
    {
        if (_taken is { } taken)
            Return(taken);
        _taken = null;
    }

    /// <summary>Called for each Ping that the receive loop parses. True if it was answered here already.</summary>
    public bool TakeAnswered()
    {
        if (_answered == 0)
            return false;
        _answered--;
        return true;
    }

    /// <summary>Returns all arrays to the pool, except the one of <see cref="TryTake"/>, which a handler may still be reading.</summary>
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
