using System.Buffers.Binary;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>What one client sends, and how it reads what comes back: counts the messages in it, however they are cut and fragmented.</summary>
internal abstract class Dialogue
{
    private readonly byte[] _header = new byte[10];
    private int _headerHeld;      // bytes of a header that was cut
    private bool _inPayload;
    private long _payloadLeft;
    private bool _isControl;
    private bool _isLast;         // the frame ends its message
    private bool _inMessage;

    /// <summary>How many frames <see cref="Frames"/> can give.</summary>
    public abstract int MaxBatch { get; }

    /// <summary>The bytes of what came, with headers.</summary>
    public long Received { get; private set; }

    /// <summary>The next messages to be sent, as masked frames.</summary>
    public abstract ReadOnlyMemory<byte> Frames(int count);

    /// <summary>How many messages ended in these bytes.</summary>
    /// <exception cref="InvalidDataException">The server sent what it should not have.</exception>
    public int Read(ReadOnlySpan<byte> bytes)
    {
        int messages = 0;
        Received += bytes.Length;
        while (!bytes.IsEmpty || (_inPayload && _payloadLeft == 0)) // an empty frame ends with its header
        {
            if (!_inPayload && !TakeHeader(ref bytes))
                break;

            int count = (int)Math.Min(_payloadLeft, bytes.Length);
            if (!_isControl)
                Take(bytes[..count]);
            bytes = bytes[count..];
            _payloadLeft -= count;
            _inPayload = _payloadLeft > 0;
            if (_inPayload || _isControl || !_isLast)
                continue;
            _inMessage = false;
            messages += End();
        }

        return messages;
    }

    /// <summary>Whether a frame of a message may begin with these bits; FIN is not among them.</summary>
    protected abstract bool Expects(int firstOctet, bool isFirst);

    /// <summary>Looks at the next piece of the message.</summary>
    protected abstract void Take(ReadOnlySpan<byte> payload);

    /// <summary>Looks at the message as a whole. Returns 1, or how many messages of its own protocol the server has put into it.</summary>
    protected abstract int End();

    private bool TakeHeader(ref ReadOnlySpan<byte> bytes)
    {
        if (_headerHeld == 0 && bytes.Length >= 2 && SizeOf(bytes[1]) <= bytes.Length)
        {
            int size = SizeOf(bytes[1]);
            Begin(bytes[..size]);
            bytes = bytes[size..];
            return true;
        }

        while (!bytes.IsEmpty)
        {
            _header[_headerHeld++] = bytes[0];
            bytes = bytes[1..];
            if (_headerHeld < 2 || _headerHeld < SizeOf(_header[1]))
                continue;
            Begin(_header.AsSpan(0, _headerHeld));
            _headerHeld = 0;
            return true;
        }

        return false;
    }

    private static int SizeOf(byte second) => second == 126 ? 4 : second == 127 ? 10 : 2;

    private void Begin(ReadOnlySpan<byte> header)
    {
        int opcode = header[0] & 0x0F;
        _isControl = opcode >= 8;
        _isLast = (header[0] & 0x80) != 0;
        _payloadLeft = header.Length == 2 ? header[1] : header.Length == 4 ? BinaryPrimitives.ReadUInt16BigEndian(header[2..]) : BinaryPrimitives.ReadInt64BigEndian(header[2..]);
        _inPayload = true;
        if (header[1] > 127 || !(_isControl ? header[0] is 0x89 or 0x8A : Expects(header[0] & 0x7F, isFirst: !_inMessage)))
            throw new InvalidDataException($"The server sent a frame that was not expected: 0x{header[0]:X2} 0x{header[1]:X2}.");
        if (!_isControl)
            _inMessage = true;
    }
}
