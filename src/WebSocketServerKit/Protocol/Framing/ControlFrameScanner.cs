using WebSocketServerKit.Protocol.Closing;

namespace WebSocketServerKit.Protocol.Framing;

/// <summary>
/// Finds the control frames in bytes that were read ahead. It parses headers, skips the payloads of data frames, and does not change the bytes:
/// <see cref="ServerProtocol"/> parses them again later. The bytes may be split anywhere. Not thread-safe.
/// </summary>
/// <param name="rsv1">Whether an extension was negotiated that may set RSV1 on the first frame of a message.</param>
internal sealed class ControlFrameScanner(bool rsv1)
{
    private readonly byte[] _frame = new byte[FrameHeader.MaxSize + FrameHeader.MaxControlPayload]; // the received part of a header or control frame
    private int _length;       // bytes in _frame
    private long _skip;        // payload bytes of a data frame that are left to skip
    private bool _ended;       // a Close frame or a broken rule was found; the rest is ignored

    /// <summary>The unmasked payload of the frame just found. Valid until the next call.</summary>
    public ReadOnlyMemory<byte> Payload { get; private set; }

    /// <summary>
    /// Consumes bytes up to the end of the next control frame: <see cref="ProtocolEvent.Ping"/>, <see cref="ProtocolEvent.Pong"/> or
    /// <see cref="ProtocolEvent.Close"/>.
    /// <see cref="ProtocolEvent.None"/> when they are used up. A broken rule ends the search: <see cref="ServerProtocol"/> will find and report it.
    /// </summary>
    public ProtocolEvent Next(ref ReadOnlySpan<byte> bytes)
    {
        while (!_ended && !bytes.IsEmpty)
        {
            if (_skip > 0)
            {
                int skipped = (int)Math.Min(_skip, bytes.Length);
                _skip -= skipped;
                bytes = bytes[skipped..];
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
                (_length, _skip) = (0, header.PayloadLength);
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
