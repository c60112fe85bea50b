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
/// The receiving side of a server (RFC 6455 5 to 8, RFC 7692) as pure code: bytes in, events out. The input may be split anywhere.
/// A message whose one frame is complete in the input is unmasked in place and not copied. Any other is copied into a rented buffer, which grows with the
/// received bytes. Above 1 MiB they are moved to a <see cref="LargeBuffer"/>. After <see cref="Split"/>, messages from a given size on are handed on in parts, as they are received.
/// <para>Not thread-safe: one receive loop owns it.</para>
/// </summary>
internal sealed class ServerProtocol(int maxMessageSize, int maxFragments, ArrayPool<byte> pool)
{
    // From this size on a rented buffer would cost more than it saves: to grow, it needs its size twice.
    private const int LargeFrom = 1024 * 1024;

    // The size of the parts of a large message that was gathered at first.
    private const int PartSize = 64 * 1024;

    private int _maxMessageSize = maxMessageSize;
    private int _maxWholeSize = maxMessageSize;  // larger messages are refused, or handed on in parts
    private long _splitFrom = long.MaxValue;     // messages of this size or more are handed on in parts
    private long _maxSplitSize;
    private FragmentationRules _fragmentation = new(maxFragments);
    private PooledBuffer _message = new(pool); // the received part of an incomplete message, or what is not yet in _large of it
    private LargeBuffer? _large;               // the received part of an incomplete large message; after its end, the message
    private PooledBuffer _cut = new(pool);     // the received part of an incomplete header or control frame
    private Utf8Validator _utf8;
    private MessageInflater? _inflater; // null unless permessage-deflate was negotiated
    private bool _isInflating; // the inflater has not decompressed all bytes that it was given
    private bool _isMoving;    // the bytes in _large are being moved out of it: into one array, or into parts
    private bool _isSplit;     // the current or last message is handed on in parts
    private long _handedOn;    // the bytes of it that were handed on

    private FrameHeader _header;   // of the frame whose payload is being received; valid while _inPayload
    private bool _inPayload;
    private long _payloadLeft;
    private uint _key;             // the masking key, rotated to the next byte
    private Opcode _messageOpcode; // the opcode of the message that the current data frame belongs to
    private bool _isPassedOver;    // whether nothing of that message is kept
    private bool _isCompressed;    // whether that message is compressed
    private long _sizeOnWire;      // the declared payload bytes of its frames so far
    private bool _ended;

    /// <summary>The payload of the event just returned. Valid until <see cref="ReleasePayload"/>, and only while the memory of the input is.</summary>
    public Memory<byte> Payload { get; private set; }

    public WebSocketMessageType MessageType => _messageOpcode == Opcode.Text ? WebSocketMessageType.Text : WebSocketMessageType.Binary;

    public CloseCode CloseCode { get; private set; }

    public string CloseReason { get; private set; } = "";

    public ProtocolViolation Violation { get; private set; }

    /// <summary>Whether messages are discarded without being buffered.</summary>
    public bool DiscardsMessages { get; private set; }

    /// <summary>
    /// Whether the message that begins next is passed over: nothing of it is kept, decompressed or checked, and <see cref="ProtocolEvent.PassedOver"/> stands for it. With permessage-deflate the
    /// client must not refer to earlier messages.
    /// </summary>
    public bool PassesOverNext { get; set; }

    /// <summary>Whether a decompressor exists, for the current message or kept for the next one.</summary>
    public bool HasInflater => _inflater is { HasContext: true };

    /// <summary>Whether to step again even if the input is used up. Then keep the memory of the last input.</summary>
    public bool HasMore => _isInflating || _isMoving;

    /// <summary>Whether the payload of a frame is not complete, so that the next byte of the input belongs to it.</summary>
    public bool IsInFrame => _inPayload;

    /// <summary>The size of its rented buffers in bytes. From any thread.</summary>
    public int HeldBytes => _message.Capacity + _cut.Capacity;

    /// <summary>The size in bytes of the memory of a large message, which is not rented.</summary>
    public long LargeBytes => _large?.HeldBytes ?? 0;

    /// <summary>The total decompressed size of all compressed messages, in bytes.</summary>
    public long InflatedBytes { get; private set; }

    /// <summary>Replaces the limits. Call it before the first step.</summary>
    public void Limit(int messageSize, int fragments)
    {
        _maxMessageSize = _maxWholeSize = messageSize;
        _fragmentation = new FragmentationRules(fragments);
    }

    /// <summary>Hands on messages from a size on in parts, and all that are larger than a whole message may be. Call it before the first step.</summary>
    /// <param name="from">The size in bytes; 0 for all messages.</param>
    /// <param name="maxSize">The largest message that is handed on in parts, in bytes.</param>
    public void Split(long from, long maxSize)
    {
        _splitFrom = Math.Min(from, _maxMessageSize + 1L);
        _maxSplitSize = Math.Min(maxSize, long.MaxValue / 4); // so that sums do not overflow
        _maxWholeSize = (int)(_splitFrom - 1);
    }

    /// <summary>Enables permessage-deflate. Call it before the first step. The protocol owns the inflater from then on.</summary>
    public void Agree(MessageInflater inflater) => _inflater = inflater;

    /// <summary>
    /// Takes bytes off the front of <paramref name="input"/> up to the next event. After <see cref="ProtocolEvent.None"/> the input is empty;
    /// after <see cref="ProtocolEvent.Unfinished"/> step again with the rest of the same input;
    /// after <see cref="ProtocolEvent.Close"/> or <see cref="ProtocolEvent.Violation"/> all further input is discarded.
    /// After every other event call <see cref="ReleasePayload"/> before the next step.
    /// </summary>
    public ProtocolEvent Step(ref Memory<byte> input)
    {
        if (!_inPayload && _cut.IsEmpty && !_ended && TryTakeWholeMessage(ref input, out ProtocolEvent whole))
            return whole;
        while (!_ended && (_isInflating || _isMoving || !input.IsEmpty))
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

    /// <summary>Ends the lifetime of <see cref="Payload"/> and returns its buffer to the pool, so that an idle connection holds none.</summary>
    public void ReleasePayload()
    {
        Payload = default;
        _cut.Release();
        // After a control frame between the fragments of a message, keep the message's buffer.
        if (_isSplit)
            _message.Release();
        else if (!_fragmentation.InMessage)
            ReleaseMessage();
    }

    /// <summary>Drops an incomplete message, and discards all later ones. Call it between two steps.</summary>
    public void DiscardMessages()
    {
        DiscardsMessages = true;
        _isInflating = false;
        _isMoving = false;
        ReleaseMessage();
        _inflater?.Dispose();
    }

    /// <summary>Returns all buffers to the pool. The last call.</summary>
    public void Release()
    {
        _ended = true;
        Payload = default;
        ReleaseMessage();
        _cut.Release();
        _inflater?.Dispose();
    }

    /// <summary>Leaves all buffers that a handler may still be reading to the garbage collector. The last call.</summary>
    public void Abandon()
    {
        _ended = true;
        _message.Forget();
        _cut.Forget();
        ReleaseMessage();
        _inflater?.Dispose();
    }

    // Fast path for most frames: a message of one frame that is complete in the input and has a valid header. For any other frame it consumes nothing.
    private bool TryTakeWholeMessage(ref Memory<byte> input, out ProtocolEvent found)
    {
        found = ProtocolEvent.None;
        Span<byte> bytes = input.Span;
        if (!FrameHeaderParser.TryParse(bytes, out FrameHeader header, out _)
            || header is not { Fin: true, Opcode: Opcode.Text or Opcode.Binary }
            || header.PayloadLength > Math.Min(_maxWholeSize, bytes.Length - header.Size)
            || _fragmentation.InMessage
            || PassesOverNext)
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

    // Sets _inPayload if the header is complete and valid. Otherwise the input is used up, or a rule is broken.
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
            (_isCompressed, _sizeOnWire, _isSplit, _handedOn, _isPassedOver) = (_header.Rsv1, 0, _splitFrom == 0, 0, PassesOverNext);
        // 10.4: limits "on the frame size and total message size after reassembly"; checked by the header, before a byte is stored.
        bool isSplit = !_isCompressed && _header.PayloadLength >= _splitFrom - _sizeOnWire;
        if (violation == ProtocolViolation.None && _header.PayloadLength > MaxSizeOnWire(isSplit) - _sizeOnWire)
            violation = ProtocolViolation.MessageTooBig;
        _isSplit |= isSplit;
        _sizeOnWire += _header.PayloadLength;
        return violation;
    }

    // Compression may make a message slightly longer. But blocks that inflate to nothing must not make it endless.
    private long MaxSizeOnWire(bool isSplit) => _isCompressed ? 2 * LargestSize + 1024 : isSplit ? _maxSplitSize : _maxMessageSize;

    private long LargestSize => Math.Max(_maxMessageSize, _maxSplitSize);

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
        if (DiscardsMessages || _isPassedOver)
        {
            PassOver(ref input);
            return _isPassedOver && !DiscardsMessages && IsMessageComplete ? ProtocolEvent.PassedOver : ProtocolEvent.None;
        }

        if (_isSplit && _large is not null && !_isMoving)
            BeginToMove();
        if (_isMoving)
            return _isSplit ? TakePartOfLarge() : Gather();
        if (_isSplit && !_isCompressed)
            return TakePart(ref input);
        if (_isCompressed)
        {
            ProtocolViolation violation = TakeCompressed(ref input);
            InflatedBytes += _message.Length - began;
            if (violation != ProtocolViolation.None)
                return Violate(violation);
        }
        else
        {
            int count = (int)Math.Min(_payloadLeft, Math.Min(input.Length, LargeFrom));
            _key = MaskingKey.Apply(_key, input.Span[..count], _message.GetSpan(count)[..count]);
            _message.Advance(count);
            input = input[count..];
            _payloadLeft -= count;
        }

        if (!IsValid(_message.Written.Span[began..]))
            return Violate(ProtocolViolation.InvalidUtf8);
        if (_isCompressed && !_isSplit && Gathered >= _splitFrom)
            _isSplit = true;
        return _isSplit ? HandOnInflated() : GatherMore();
    }

    // 8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact, a valid UTF-8 stream,
    // that endpoint MUST _Fail the WebSocket Connection_." At once, not only at the end of the message.
    private bool IsValid(ReadOnlySpan<byte> next) =>
        _messageOpcode != Opcode.Text || (_utf8.Accepts(next) && (!IsMessageComplete || _isInflating || _utf8.EndsHere()));

    // The size of what was received of the message and not handed on.
    private long Gathered => (_large?.Length ?? 0L) + _message.Length;

    private ProtocolEvent GatherMore()
    {
        bool complete = IsMessageComplete && !_isInflating;
        if (_large is not null || (_message.Length >= LargeFrom && !complete))
            MoveToLarge();
        if (_isInflating)
            return ProtocolEvent.Unfinished;
        if (complete && _large is not null)
        {
            BeginToMove();
            return Gather();
        }

        _inPayload = _payloadLeft > 0;
        if (!complete)
            return ProtocolEvent.None;
        Payload = _message.Written;
        return ProtocolEvent.Message;
    }

    private void MoveToLarge()
    {
        _large ??= new LargeBuffer();
        _large.Append(_message.Written.Span);
        _message.Clear();
    }

    private void BeginToMove()
    {
        MoveToLarge();
        _message.Release();
        _isMoving = true;
    }

    private ProtocolEvent Gather()
    {
        if (!_large!.Gather())
            return ProtocolEvent.Unfinished;
        _isMoving = false;
        _inPayload = false;
        Payload = _large.Gathered;
        return ProtocolEvent.Message;
    }

    private ProtocolEvent TakePart(ref Memory<byte> input)
    {
        // What was gathered comes first.
        if (!_message.IsEmpty)
            return HandOn(_message.Written);
        Memory<byte> part = TakeUnmasked(ref input);
        return IsValid(part.Span) ? HandOn(part) : Violate(ProtocolViolation.InvalidUtf8);
    }

    private ProtocolEvent TakePartOfLarge()
    {
        int count = _large!.Take(_message.GetSpan(PartSize)[..PartSize]);
        _message.Advance(count);
        if (_large.Length == 0)
        {
            _isMoving = false;
            _large.Release();
            _large = null;
        }

        return HandOn(_message.Written);
    }

    private ProtocolEvent HandOnInflated()
    {
        if (_handedOn + Gathered > _maxSplitSize)
            return Violate(ProtocolViolation.MessageTooBig);
        if (_large is null)
            return HandOn(_message.Written);
        BeginToMove();
        return ProtocolEvent.Unfinished;
    }

    private ProtocolEvent HandOn(Memory<byte> part)
    {
        bool complete = IsMessageComplete && !HasMore;
        _inPayload = _payloadLeft > 0 || HasMore;
        if (part.IsEmpty && !complete)
            return ProtocolEvent.None;
        Payload = part;
        _handedOn += part.Length;
        return complete ? ProtocolEvent.LastPart : ProtocolEvent.Part;
    }

    private void ReleaseMessage()
    {
        _message.Release();
        _large?.Release();
        _large = null;
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
        // While it is not decided whether the message is handed on in parts, either limit may apply. The work of one step is bounded in any case.
        long most = _isSplit ? _maxSplitSize - _handedOn : _splitFrom == long.MaxValue ? _maxMessageSize : LargestSize;
        int maxSize = (int)Math.Min(most - (_large?.Length ?? 0), int.MaxValue / 2);
        if (_isInflating)
            violation = _inflater!.Continue(ref _message, maxSize);
        else if (TakeUnmasked(ref input) is { IsEmpty: false } piece)
            violation = _inflater!.Inflate(piece, ref _message, maxSize);
        _isInflating = violation == ProtocolViolation.None && _inflater!.IsUnfinished;
        return violation == ProtocolViolation.None && IsMessageComplete && !_isInflating ? _inflater!.End(ref _message, maxSize) : violation;
    }

    // Takes the part of the frame's payload that is in the input, unmasked in place.
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
