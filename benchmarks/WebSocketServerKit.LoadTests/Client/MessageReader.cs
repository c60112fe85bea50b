using System.Buffers.Binary;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>Counts the messages in what a server sends, however it is cut and fragmented, and holds every byte of them against the expected one.</summary>
internal sealed class MessageReader(Message expected)
{
    private readonly byte[] _header = new byte[10];
    private int _headerHeld;      // bytes of a header that was cut
    private bool _inPayload;
    private long _payloadLeft;
    private bool _isControl;
    private bool _isLast;         // the frame ends its message
    private int _position;        // in the message

    /// <summary>How many messages ended in these bytes.</summary>
    /// <exception cref="InvalidDataException">The server sent what it should not have.</exception>
    public int Read(ReadOnlySpan<byte> bytes)
    {
        int messages = 0;
        while (!bytes.IsEmpty)
        {
            if (!_inPayload && !TakeHeader(ref bytes))
                break;

            int count = (int)Math.Min(_payloadLeft, bytes.Length);
            if (!_isControl)
            {
                if (count > expected.Payload.Length - _position || !bytes[..count].SequenceEqual(expected.Payload.AsSpan(_position, count)))
                    throw new InvalidDataException("The server sent other bytes than those that were sent to it.");
                _position += count;
            }

            bytes = bytes[count..];
            _payloadLeft -= count;
            _inPayload = _payloadLeft > 0;
            if (_inPayload || _isControl || !_isLast)
                continue;
            if (_position != expected.Payload.Length)
                throw new InvalidDataException("The server sent only a part of the message.");
            _position = 0;
            messages++;
        }

        return messages;
    }

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
        bool expectedOpcode = _isControl ? opcode is 9 or 10 : opcode == (_position == 0 ? expected.Opcode : 0);
        if (!expectedOpcode || header[1] > 127)
            throw new InvalidDataException($"The server sent a frame that was not expected: 0x{header[0]:X2} 0x{header[1]:X2}.");
    }
}
