using System.Buffers;
using System.Net.WebSockets;
using System.Text.Unicode;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Protocol.Messages;

namespace WebSocketServerKit.Protocol;

/// <summary>
/// The receiving side of a server (RFC 6455 5 to 8, RFC 7692) as pure code: bytes in, events out. The input may be cut anywhere.
/// A message whose one frame lies whole in the input is unmasked in place and handed on uncopied; only a cut or fragmented one is gathered,
/// in a rented buffer that grows with the bytes that came. Not thread-safe: one receive loop owns it.
/// </summary>
internal sealed class ServerProtocol(int maxMessageSize, int maxFragments, ArrayPool<byte> pool)
{
    private FragmentationRules _fragmentation = new(maxFragments);
    private PooledBuffer _message = new(pool); // what came of a message that is fragmented or cut
    private PooledBuffer _cut = new(pool);     // what came of a header or a control frame that is cut
    private Utf8Validator _utf8;
    private MessageInflater? _inflater; // not null exactly if permessage-deflate was agreed on
    private bool _isInflating; // bytes that were taken have not been inflated in full

    private FrameHeader _header;   // of the frame whose payload is coming in; meaningful while _inPayload
    private bool _inPayload;
    private long _payloadLeft;
    private uint _key;             // the masking key, turned to the phase of the next byte
    private Opcode _messageOpcode; // of the message that the current data frame belongs to
    private bool _isCompressed;    // so is that message
    private long _sizeOnWire;      // payload bytes of its frames so far, as declared
    private bool _ended;

    /// <summary>The payload of the event just returned. Valid until <see cref="ReleasePayload"/>, and as long as the input is.</summary>
    public Memory<byte> Payload { get; private set; }

    public WebSocketMessageType MessageType => _messageOpcode == Opcode.Text ? WebSocketMessageType.Text : WebSocketMessageType.Binary;

    public CloseCode CloseCode { get; private set; }

    public string CloseReason { get; private set; } = "";

    public ProtocolViolation Violation { get; private set; }

    /// <summary>Whether messages are passed over and not gathered, because nobody wants them any more.</summary>
    public bool DiscardsMessages { get; private set; }

    /// <summary>Whether a decompressor is at work, or kept for the next message.</summary>
    public bool HasInflater => _inflater is { HasContext: true };

    /// <summary>Bytes of memory that it holds. From any thread.</summary>
    public int HeldBytes => _message.Capacity + _cut.Capacity;

    /// <summary>The bytes that compressed messages have inflated to, all together.</summary>
    public long InflatedBytes { get; private set; }

    /// <summary>permessage-deflate was agreed on: messages may come compressed. Before the first step; the protocol takes over the inflater.</summary>
    public void Agree(MessageInflater inflater) => _inflater = inflater;

    /// <summary>
    /// Takes bytes off the front of <paramref name="input"/> up to the next event. After <see cref="ProtocolEvent.None"/> the input is empty;
    /// after <see cref="ProtocolEvent.Unfinished"/> comes the next step, with the rest of the same input;
    /// after <see cref="ProtocolEvent.Close"/> or <see cref="ProtocolEvent.Violation"/> all further input is thrown away.
    /// After every other event comes <see cref="ReleasePayload"/> before the next step.
    /// </summary>
    public ProtocolEvent Step(ref Memory<byte> input)
    {
        if (!_inPayload && _cut.IsEmpty && !_ended && TryTakeWholeMessage(ref input, out ProtocolEvent whole))
            return whole;
        while (!_ended && (_isInflating || !input.IsEmpty))
        {
            if (!_inPayload)
            {
                ProtocolViolation violation = TakeHeader(ref input);
                if (violation != ProtocolViolation.None)
                    return Violate(violation);
            }

            // A frame without payload is complete with its header, even where the input ends there.
            if (_inPayload && (_payloadLeft == 0 || !input.IsEmpty || _isInflating))
            {
                ProtocolEvent found = _header.IsControl ? TakeControlPayload(ref input) : TakeDataPayload(ref input);
                if (found != ProtocolEvent.None)
                    return found;
            }
        }

        input = default;
        return ProtocolEvent.None;
    }

    /// <summary>Ends the life of <see cref="Payload"/> and gives its buffer back, so that an idle client holds none.</summary>
    public void ReleasePayload()
    {
        Payload = default;
        _cut.Release();
        // A control frame may stand between the fragments of a message, whose beginning stays.
        if (!_fragmentation.InMessage)
            _message.Release();
    }

    /// <summary>Gives up what has come of a message, and passes over all that follow. Between two steps.</summary>
    public void DiscardMessages()
    {
        DiscardsMessages = true;
        _isInflating = false;
        _message.Release();
        _inflater?.Dispose();
    }

    /// <summary>Gives back all buffers. The last call.</summary>
    public void Release()
    {
        _ended = true;
        Payload = default;
        _message.Release();
        _cut.Release();
        _inflater?.Dispose();
    }

    /// <summary>Leaves all buffers to the garbage collector, because a handler may still be reading the payload. The last call.</summary>
    public void Abandon()
    {
        _ended = true;
        _message.Forget();
        _cut.Forget();
        _inflater?.Dispose();
    }

    // Most frames: a message of one frame that lies whole in the input, and breaks no rule that its header tells of. For all others it takes nothing.
    private bool TryTakeWholeMessage(ref Memory<byte> input, out ProtocolEvent found)
    {
        found = ProtocolEvent.None;
        Span<byte> bytes = input.Span;
        if (!FrameHeaderParser.TryParse(bytes, out FrameHeader header, out _)
            || header is not { Fin: true, Opcode: Opcode.Text or Opcode.Binary }
            || header.PayloadLength > Math.Min(maxMessageSize, bytes.Length - header.Size)
            || _fragmentation.InMessage)
        {
            return false;
        }

        int size = header.Size + (int)header.PayloadLength;
        Span<byte> payload = bytes[header.Size..size];
        MaskingKey.Apply(header.MaskingKey, payload, payload);
        _messageOpcode = header.Opcode;
        Payload = input[header.Size..size];
        input = input[size..];
        found = header.Opcode == Opcode.Text && !Utf8.IsValid(payload) ? Violate(ProtocolViolation.InvalidUtf8) : ProtocolEvent.Message;
        return true;
    }

    // Sets _inPayload when the header is complete and keeps the rules; otherwise the input is used up, or a rule is broken.
    private ProtocolViolation TakeHeader(ref Memory<byte> input)
    {
        bool complete;
        ProtocolViolation violation;
        if (_cut.IsEmpty)
        {
            complete = FrameHeaderParser.TryParse(input.Span, out _header, out violation, rsv1: _inflater is not null);
            if (complete)
                input = input[_header.Size..];
        }
        else
        {
            complete = TryParseCutHeader(ref input, out violation);
        }

        if (complete)
            return BeginPayload();
        if (violation == ProtocolViolation.None)
        {
            _cut.Append(input.Span);
            input = default;
        }

        return violation;
    }

    private bool TryParseCutHeader(ref Memory<byte> input, out ProtocolViolation violation)
    {
        Span<byte> bytes = stackalloc byte[FrameHeader.MaxSize];
        int had = _cut.Length;
        int more = Math.Min(input.Length, bytes.Length - had);
        _cut.Written.Span.CopyTo(bytes);
        input.Span[..more].CopyTo(bytes[had..]);
        if (!FrameHeaderParser.TryParse(bytes[..(had + more)], out _header, out violation, rsv1: _inflater is not null))
            return false;

        input = input[(_header.Size - had)..];
        _cut.Release();
        return true;
    }

    private ProtocolViolation BeginPayload()
    {
        _inPayload = true;
        _payloadLeft = _header.PayloadLength;
        _key = _header.MaskingKey;
        if (_header.IsControl)
            return ProtocolViolation.None;

        ProtocolViolation violation = _fragmentation.Check(_header, out _messageOpcode);
        if (_header.Opcode != Opcode.Continuation)
            (_isCompressed, _sizeOnWire) = (_header.Rsv1, 0);
        // 10.4: limits "on the frame size and total message size after reassembly"; told from the header, before a byte is stored.
        if (violation == ProtocolViolation.None && _header.PayloadLength > MaxSizeOnWire - _sizeOnWire)
            violation = ProtocolViolation.MessageTooBig;
        _sizeOnWire += _header.PayloadLength;
        return violation;
    }

    // Compression may make a message a little longer. But it must not become endless either, by blocks that inflate to nothing.
    private long MaxSizeOnWire => _isCompressed ? 2L * maxMessageSize + 1024 : maxMessageSize;

    private ProtocolEvent TakeControlPayload(ref Memory<byte> input)
    {
        Memory<byte> payload = TakeUnmasked(ref input);
        if (_payloadLeft > 0 || !_cut.IsEmpty)
        {
            _cut.Append(payload.Span);
            if (_payloadLeft > 0)
                return ProtocolEvent.None;
            payload = _cut.Written;
        }

        _inPayload = false;
        Payload = payload;
        if (_header.Opcode != Opcode.Close)
            return _header.Opcode == Opcode.Ping ? ProtocolEvent.Ping : ProtocolEvent.Pong;

        ProtocolViolation violation = CloseFrame.Parse(payload.Span, out CloseCode code, out string reason);
        if (violation != ProtocolViolation.None)
            return Violate(violation);
        (CloseCode, CloseReason) = (code, reason);
        _ended = true;
        return ProtocolEvent.Close;
    }

    private ProtocolEvent TakeDataPayload(ref Memory<byte> input)
    {
        int began = _message.Length;
        if (DiscardsMessages)
        {
            PassOver(ref input);
            return ProtocolEvent.None;
        }

        if (_isCompressed)
        {
            ProtocolViolation violation = TakeCompressed(ref input);
            InflatedBytes += _message.Length - began;
            if (violation != ProtocolViolation.None)
                return Violate(violation);
        }
        else
        {
            int count = (int)Math.Min(_payloadLeft, input.Length);
            _key = MaskingKey.Apply(_key, input.Span[..count], _message.GetSpan(count)[..count]);
            _message.Advance(count);
            input = input[count..];
            _payloadLeft -= count;
        }

        // 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact, a valid UTF-8 stream,
        // that endpoint MUST _Fail the WebSocket Connection_." At once, not only at the end of the message.
        bool complete = IsMessageComplete && !_isInflating;
        if (_messageOpcode == Opcode.Text && (!_utf8.Accepts(_message.Written.Span[began..]) || (complete && !_utf8.EndsHere())))
            return Violate(ProtocolViolation.InvalidUtf8);

        if (_isInflating)
            return ProtocolEvent.Unfinished;
        _inPayload = _payloadLeft > 0;
        if (!complete)
            return ProtocolEvent.None;
        Payload = _message.Written;
        return ProtocolEvent.Message;
    }

    private void PassOver(ref Memory<byte> input)
    {
        int count = (int)Math.Min(_payloadLeft, input.Length);
        input = input[count..];
        _payloadLeft -= count;
        _inPayload = _payloadLeft > 0;
    }

    private bool IsMessageComplete => _header.Fin && _payloadLeft == 0;

    private ProtocolViolation TakeCompressed(ref Memory<byte> input)
    {
        ProtocolViolation violation = ProtocolViolation.None;
        if (_isInflating)
            violation = _inflater!.Continue(ref _message, maxMessageSize);
        else if (TakeUnmasked(ref input) is { IsEmpty: false } piece)
            violation = _inflater!.Inflate(piece, ref _message, maxMessageSize);
        _isInflating = violation == ProtocolViolation.None && _inflater!.IsUnfinished;
        return violation == ProtocolViolation.None && IsMessageComplete && !_isInflating ? _inflater!.End(ref _message, maxMessageSize) : violation;
    }

    // What the input has of the frame's payload, unmasked where it lies.
    private Memory<byte> TakeUnmasked(ref Memory<byte> input)
    {
        int count = (int)Math.Min(_payloadLeft, input.Length);
        Memory<byte> payload = input[..count];
        _key = MaskingKey.Apply(_key, payload.Span, payload.Span);
        input = input[count..];
        _payloadLeft -= count;
        return payload;
    }

    private ProtocolEvent Violate(ProtocolViolation violation)
    {
        Violation = violation;
        _ended = true;
        return ProtocolEvent.Violation;
    }
}
