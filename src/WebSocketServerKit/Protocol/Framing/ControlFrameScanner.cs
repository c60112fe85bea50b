using WebSocketServerKit.Protocol.Closing;

namespace WebSocketServerKit.Protocol.Framing;

/// <summary>
/// Finds the control frames in bytes that are not to be taken yet, because the messages before them wait for their turn. It looks at headers, passes over the payloads of
/// data frames, and changes nothing: <see cref="ServerProtocol"/> takes the same bytes later. The bytes may be cut anywhere.
/// </summary>
/// <param name="rsv1">Whether an extension was negotiated that may set RSV1 on the first frame of a message.</param>
internal sealed class ControlFrameScanner(bool rsv1)
{
    private readonly byte[] _frame = new byte[FrameHeader.MaxSize + FrameHeader.MaxControlPayload]; // what came of a header, or of a control frame
    private int _length;       // bytes in _frame
    private long _passOver;    // payload of a data frame that is still to come
    private bool _ended;       // behind a Close frame or a broken rule nothing counts

    /// <summary>The payload of the frame just found, unmasked. Valid until the next call.</summary>
    public ReadOnlyMemory<byte> Payload { get; private set; }

    /// <summary>
    /// Takes bytes off the front up to the end of the next control frame: <see cref="ProtocolEvent.Ping"/>, <see cref="ProtocolEvent.Pong"/>, <see cref="ProtocolEvent.Close"/>.
    /// <see cref="ProtocolEvent.None"/> when they are used up. A broken rule ends the search: it is found again, and answered, in its turn.
    /// </summary>
    public ProtocolEvent Next(ref ReadOnlySpan<byte> bytes)
    {
        while (!_ended && !bytes.IsEmpty)
        {
            if (_passOver > 0)
            {
                int passed = (int)Math.Min(_passOver, bytes.Length);
                _passOver -= passed;
                bytes = bytes[passed..];
                continue;
            }

            _frame[_length++] = bytes[0];
            bytes = bytes[1..];
            if (!FrameHeaderParser.TryParse(_frame.AsSpan(0, _length), out FrameHeader header, out ProtocolViolation violation, rsv1))
            {
                _ended = violation != ProtocolViolation.None;
                continue;
            }

            if (!header.IsControl)
                (_length, _passOver) = (0, header.PayloadLength);
            else if (TakePayload(header, ref bytes) && Found(header) is var found and not ProtocolEvent.None)
                return found;
        }

        bytes = default;
        return ProtocolEvent.None;
    }

    private bool TakePayload(in FrameHeader header, ref ReadOnlySpan<byte> bytes)
    {
        int missing = header.Size + (int)header.PayloadLength - _length;
        int count = Math.Min(missing, bytes.Length);
        bytes[..count].CopyTo(_frame.AsSpan(_length));
        bytes = bytes[count..];
        _length += count;
        return count == missing;
    }

    private ProtocolEvent Found(in FrameHeader header)
    {
        Memory<byte> payload = _frame.AsMemory(header.Size, (int)header.PayloadLength);
        MaskingKey.Apply(header.MaskingKey, payload.Span, payload.Span);
        Payload = payload;
        _length = 0;
        if (header.Opcode != Opcode.Close)
            return header.Opcode == Opcode.Ping ? ProtocolEvent.Ping : ProtocolEvent.Pong;
        _ended = true;
        return CloseFrame.Parse(payload.Span, out _, out _) == ProtocolViolation.None ? ProtocolEvent.Close : ProtocolEvent.None;
    }
}
