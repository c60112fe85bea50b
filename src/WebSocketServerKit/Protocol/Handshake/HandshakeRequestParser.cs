using System.Buffers;
using System.Collections.Frozen;
using System.Numerics;
using System.Text;
using System.Text.Unicode;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>How far <see cref="HandshakeRequestParser"/> has come.</summary>
internal enum HandshakeParseStatus
{
    /// <summary>The request's head has not ended yet.</summary>
    NeedMore,

    /// <summary><see cref="HandshakeRequestParser.Request"/> has the request.</summary>
    Complete,

    /// <summary><see cref="HandshakeRequestParser.Violation"/> has the broken rule.</summary>
    Refused,
}

/// <summary>Parses one HTTP/1.x request head incrementally. It is strict wherever leniency would allow request smuggling (RFC 9112).</summary>
/// <remarks>
/// Invariant: the result does not depend on how the bytes are split. An incomplete line gets the same first check as a complete one, and that check finds the
/// first invalid byte of the line. So a prefix is refused for the same reason as the whole line, only sooner.
/// <para>For one request. Not thread-safe. A mutable struct: it is a local variable of its one owner, and is passed by reference only.</para>
/// </remarks>
internal struct HandshakeRequestParser
{
    private const byte CarriageReturn = (byte)'\r';
    private const byte LineFeed = (byte)'\n';
    private const byte Space = (byte)' ';
    private const byte Tab = (byte)'\t';

    /// <summary>The longest registered method, UPDATEREDIRECTREF, has 17 bytes.</summary>
    private const int MaxMethodBytes = 32;

    private const int LongestKnownText = 48;
    private const int LongestSharedValue = 256;

    /// <summary>The type of a TLS handshake record and the major version that follows it: how every ClientHello starts.</summary>
    private const byte TlsHandshakeRecord = 0x16;
    private const byte TlsMajorVersion = 0x03;

    // Printable ASCII but '#'. That is more than RFC 3986 has (browsers leave | and [] unescaped in a query); none of it is ambiguous here.
    private static readonly SearchValues<byte> TargetBytes = BytesWhere(value => value is > 0x20 and < 0x7F && value != '#');

    // RFC 9110 5.5: field-vchar = VCHAR / obs-text, with SP and HTAB between them.
    private static readonly SearchValues<byte> ValueBytes = BytesWhere(value => value is Tab or (>= 0x20 and not 0x7F));

    private static readonly string[] SingleHeaders =
        ["Host", "Origin", "Authorization", "Content-Length", "Sec-WebSocket-Key", "Sec-WebSocket-Version"];

    /// <summary>Strings that nearly every handshake contains, so that they are not allocated for each one.</summary>
    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> KnownText = FrozenSet.Create(
        StringComparer.Ordinal,
        "GET", "HEAD", "/",
        "Host", "Connection", "Upgrade", "Origin", "User-Agent", "Cookie", "Authorization", "Pragma", "Cache-Control", "Accept",
        "Accept-Encoding", "Accept-Language", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site",
        "websocket", "13", "keep-alive, Upgrade", "no-cache", "*/*", "gzip, deflate", "gzip, deflate, br", "gzip, deflate, br, zstd",
        "permessage-deflate", "permessage-deflate; client_max_window_bits").GetAlternateLookup<ReadOnlySpan<char>>();

    private static readonly RecentTexts SharedValues = new();

    private readonly int _maxHeaderLines;
    private readonly HeaderFields _headers = new();

    /// <summary>How many more bytes the head may have, those of an incomplete line included.</summary>
    private int _remainingBytes;

    /// <summary>A contiguous copy of a head that arrived in several segments. At most as large as the limit on the head.</summary>
    private byte[] _scratch = [];

    private HandshakeParseStatus _status;
    private bool _sawEmptyLine;

    /// <summary>Null until the request line is complete; it tells the parser which kind of line comes next.</summary>
    private string? _method;
    private string _target = "";
    private RequestTarget _parsedTarget;
    private int _minorVersion;

    /// <param name="maxHeadBytes">The most bytes that the request line, the headers and their line ends may have together.</param>
    /// <param name="maxHeaderLines">The most header lines.</param>
    public HandshakeRequestParser(int maxHeadBytes, int maxHeaderLines)
    {
        _remainingBytes = maxHeadBytes;
        _maxHeaderLines = maxHeaderLines;
    }

    /// <summary>The request, once the status is <see cref="HandshakeParseStatus.Complete"/>.</summary>
    public HandshakeRequest? Request { get; private set; }

    /// <summary>The broken rule, once the status is <see cref="HandshakeParseStatus.Refused"/>.</summary>
    public HandshakeViolation Violation { get; private set; }

    /// <summary>Whether the method is HEAD, as far as it has come: also when the request is refused, its answer has no body.</summary>
    public readonly bool IsHead => _method is "HEAD";

    /// <summary>Parses what has arrived. Once the status is other than <see cref="HandshakeParseStatus.NeedMore"/> it stays.</summary>
    /// <param name="input">The bytes after those consumed by the calls before.</param>
    /// <param name="consumed">The end of the last line parsed. What follows a complete head is left for the parser of frames.</param>
    /// <param name="examined">How far to read on before it is worth calling again.</param>
    public HandshakeParseStatus Parse(in ReadOnlySequence<byte> input, out SequencePosition consumed, out SequencePosition examined)
    {
        ReadOnlySpan<byte> window = Contiguous(input.Slice(0, Math.Min(input.Length, _remainingBytes)));
        // Usually this is the whole head: without the request line and the empty line, its lines are the headers.
        _headers.Expect(Math.Clamp(window.Count(LineFeed) - 2, 0, _maxHeaderLines));
        int position = 0;
        while (_status == HandshakeParseStatus.NeedMore && window[position..].IndexOf(LineFeed) is >= 0 and int length)
        {
            TakeLine(window.Slice(position, length));
            position += length + 1;
        }

        _remainingBytes -= position;
        if (_status == HandshakeParseStatus.NeedMore)
            CheckIncompleteLine(window[position..]);

        consumed = input.GetPosition(position);
        examined = _status == HandshakeParseStatus.Complete ? consumed : input.End;
        return _status;
    }

    private ReadOnlySpan<byte> Contiguous(in ReadOnlySequence<byte> bytes)
    {
        if (bytes.IsSingleSegment)
            return bytes.FirstSpan;

        int length = (int)bytes.Length;
        if (_scratch.Length < length)
            _scratch = new byte[BitOperations.RoundUpToPowerOf2((uint)length)];
        bytes.CopyTo(_scratch);
        return _scratch.AsSpan(0, length);
    }

    private void Refuse(HandshakeViolation violation)
    {
        if (violation == HandshakeViolation.None)
            return;

        Violation = violation;
        _status = HandshakeParseStatus.Refused;
    }

    private void CheckIncompleteLine(ReadOnlySpan<byte> line)
    {
        HandshakeViolation violation = CheckLine(WithoutCarriageReturn(line));
        if (violation == HandshakeViolation.None && line.Length == _remainingBytes)
        {
            // RFC 9112 3: "A server […] that receives a request-target longer than any URI it wishes to parse MUST respond with a
            // 414 (URI Too Long) status code". For all else RFC 6585 5 has 431.
            violation = _method is null && line.Contains(Space) ? HandshakeViolation.TargetTooLong : HandshakeViolation.HeadTooLarge;
        }

        Refuse(violation);
    }

    /// <summary>Takes a line without its LF.</summary>
    private void TakeLine(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> text = WithoutCarriageReturn(line);
        HandshakeViolation violation = CheckLine(text);

        // RFC 9112 2.2: "a recipient MAY recognize a single LF as a line terminator". This one does not: where two recipients in a row
        // disagree on where a line ends, requests can be smuggled.
        if (violation == HandshakeViolation.None && text.Length == line.Length)
            violation = HandshakeViolation.BareLineFeed;
        if (violation == HandshakeViolation.None)
            violation = _method is null ? TakeRequestLine(text) : text.IsEmpty ? EndHead() : TakeHeaderLine(text);

        Refuse(violation);
    }

    private static ReadOnlySpan<byte> WithoutCarriageReturn(ReadOnlySpan<byte> line) => line is [.., CarriageReturn] ? line[..^1] : line;

    /// <summary>Finds the first byte that cannot stand where it stands. The line may be incomplete; a CR in it is a bare one.</summary>
    private readonly HandshakeViolation CheckLine(ReadOnlySpan<byte> line) => _method is null ? CheckRequestLine(line) : CheckHeaderLine(line);

    private static HandshakeViolation CheckRequestLine(ReadOnlySpan<byte> line)
    {
        if (line is [TlsHandshakeRecord, TlsMajorVersion, ..])
            return HandshakeViolation.TlsOnPlainPort;
        if (line is [TlsHandshakeRecord])
            return HandshakeViolation.None;

        if (line.StartsWith("PROXY TCP"u8) || line.StartsWith("PROXY UNKNOWN"u8))
            return HandshakeViolation.UnexpectedProxyHeader;

        int methodLength = line.IndexOfAnyExcept(HeaderTokens.Bytes);
        if (methodLength > MaxMethodBytes || (methodLength < 0 && line.Length > MaxMethodBytes))
            return HandshakeViolation.MethodTooLong;
        if (methodLength < 0)
            return HandshakeViolation.None;
        if (methodLength == 0 || line[methodLength] != Space)
            return BareCarriageReturnOr(HandshakeViolation.InvalidMethod, line[methodLength]);

        ReadOnlySpan<byte> targetAndVersion = line[(methodLength + 1)..];
        int targetLength = targetAndVersion.IndexOfAnyExcept(TargetBytes);
        if (targetLength < 0)
            return HandshakeViolation.None;

        byte targetEnd = targetAndVersion[targetLength];
        if (targetEnd == '#')
            return HandshakeViolation.FragmentInTarget;
        if (targetEnd != Space)
            return BareCarriageReturnOr(HandshakeViolation.InvalidTargetCharacter, targetEnd);

        // RFC 9112 3: request-line = method SP request-target SP HTTP-version
        return targetLength == 0 ? HandshakeViolation.MalformedRequestLine : CheckVersion(targetAndVersion[(targetLength + 1)..]);
    }

    private static HandshakeViolation CheckVersion(ReadOnlySpan<byte> version)
    {
        // RFC 9112 2.3: HTTP-version = HTTP-name "/" DIGIT "." DIGIT, and "HTTP-version is case-sensitive."
        ReadOnlySpan<byte> pattern = "HTTP/1.1"u8;
        for (int i = 0; i < version.Length; i++)
        {
            bool fits = i < pattern.Length && (pattern[i] == '1' ? char.IsAsciiDigit((char)version[i]) : pattern[i] == version[i]);
            if (!fits)
                return BareCarriageReturnOr(HandshakeViolation.MalformedRequestLine, version[i]);
        }

        return HandshakeViolation.None;
    }

    private readonly HandshakeViolation CheckHeaderLine(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty)
            return HandshakeViolation.None;
        if (_headers.Count == _maxHeaderLines)
            return HandshakeViolation.TooManyHeaderLines;

        // RFC 9112 5.2: "A server that receives an obs-fold in a request message […] MUST either reject the message […] or replace" it.
        // RFC 9112 2.2 has the same choice for whitespace before the first header.
        if (line[0] is Space or Tab)
            return HandshakeViolation.LineFolding;

        int nameLength = line.IndexOfAnyExcept(HeaderTokens.Bytes);
        if (nameLength < 0)
            return HandshakeViolation.None;

        // RFC 9112 5.1: "No whitespace is allowed between the field name and colon. […] A server MUST reject, with a response status code
        // of 400 (Bad Request), any received request message that contains whitespace between a header field name and colon."
        if (line[nameLength] is Space or Tab)
            return HandshakeViolation.WhitespaceBeforeColon;
        if (nameLength == 0 || line[nameLength] != ':')
            return BareCarriageReturnOr(HandshakeViolation.InvalidHeaderName, line[nameLength]);

        int badByte = line[nameLength..].IndexOfAnyExcept(ValueBytes);
        return badByte < 0
            ? HandshakeViolation.None
            : BareCarriageReturnOr(HandshakeViolation.InvalidHeaderValue, line[nameLength + badByte]);
    }

    private static HandshakeViolation BareCarriageReturnOr(HandshakeViolation other, byte value) =>
        value == CarriageReturn ? HandshakeViolation.BareCarriageReturn : other;

    private HandshakeViolation TakeRequestLine(ReadOnlySpan<byte> line)
    {
        // RFC 9112 2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF)
        // received prior to the request-line."
        if (line.IsEmpty && !_sawEmptyLine)
        {
            _sawEmptyLine = true;
            return HandshakeViolation.None;
        }

        int methodLength = line.IndexOf(Space);
        int targetEnd = line.LastIndexOf(Space);
        if (methodLength == targetEnd || line.Length - targetEnd != " HTTP/1.1".Length)
            return HandshakeViolation.MalformedRequestLine;

        // Before the target, since the preface of HTTP/2 ("PRI * HTTP/2.0") has a target in a form that is refused too.
        if (line[^3] != '1')
            return HandshakeViolation.UnsupportedHttpVersion;

        _minorVersion = line[^1] - '0';
        _method = TextOf(line[..methodLength]);
        _target = TextOf(line[(methodLength + 1)..targetEnd]);
        return RequestTarget.Parse(_target, out _parsedTarget);
    }

    private readonly HandshakeViolation TakeHeaderLine(ReadOnlySpan<byte> line)
    {
        int colon = line.IndexOf((byte)':');
        if (colon < 0)
            return HandshakeViolation.MissingColon;

        string name = TextOf(line[..colon]);
        ReadOnlySpan<byte> value = line[(colon + 1)..].Trim(" \t"u8);
        // Share strings that many clients send and that are no secrets.
        bool isShared = name is "Host" or "Origin" or "User-Agent" or "Accept-Language" && value.Length <= LongestSharedValue;
        _headers.Add(name, isShared ? SharedTextOf(value) : TextOf(value));
        return HandshakeViolation.None;
    }

    private HandshakeViolation EndHead()
    {
        foreach (string name in SingleHeaders)
        {
            if (_headers.CountOf(name) > 1)
                return HandshakeViolation.RepeatedHeader;
        }

        string? host = _headers["Host"];

        // RFC 9112 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host
        // header field and to any request message that contains more than one Host header field line or a Host header field with an
        // invalid field value."
        if (host is null && _minorVersion > 0)
            return HandshakeViolation.MissingHost;

        // "If the authority component is missing or undefined for the target URI, then a client MUST send a Host header field with an empty field value."
        if (host is not (null or "") && !Authority.TryParse(host, out _, out _))
            return HandshakeViolation.InvalidHost;

        HandshakeViolation bodyViolation = CheckBody(_headers["Content-Length"], _headers["Transfer-Encoding"]);
        if (bodyViolation != HandshakeViolation.None)
            return bodyViolation;

        // RFC 9112 3.2.2: "When an origin server receives a request with an absolute-form of request-target, the origin server MUST ignore
        // the received Host header field (if any) and instead use the host information of the request-target."
        string effectiveHost = _parsedTarget.Authority ?? host ?? "";
        Request = new(_method!, _target, _parsedTarget.Path, _parsedTarget.QueryString, _minorVersion, effectiveHost, _headers);
        _status = HandshakeParseStatus.Complete;
        return HandshakeViolation.None;
    }

    private static HandshakeViolation CheckBody(string? contentLength, string? transferEncoding)
    {
        // RFC 9112 6.1: "A server MAY reject a request that contains both Content-Length and Transfer-Encoding": it may smuggle another.
        if (contentLength is not null && transferEncoding is not null)
            return HandshakeViolation.AmbiguousBodyLength;
        if (transferEncoding is not null)
            return HandshakeViolation.BodyNotAccepted;
        if (contentLength is null)
            return HandshakeViolation.None;

        // RFC 9110 8.6: Content-Length = 1*DIGIT
        if (contentLength is "" || contentLength.AsSpan().ContainsAnyExceptInRange('0', '9'))
            return HandshakeViolation.InvalidContentLength;
        return contentLength.AsSpan().ContainsAnyExcept('0') ? HandshakeViolation.BodyNotAccepted : HandshakeViolation.None;
    }

    private static string TextOf(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > LongestKnownText)
            return EncodingOf(bytes).GetString(bytes);

        Span<char> characters = stackalloc char[LongestKnownText];
        characters = characters[..EncodingOf(bytes).GetChars(bytes, characters)];
        return KnownText.TryGetValue(characters, out string? known) ? known : characters.ToString();
    }

    private static string SharedTextOf(ReadOnlySpan<byte> bytes)
    {
        Span<char> characters = stackalloc char[LongestSharedValue];
        return SharedValues.Get(characters[..EncodingOf(bytes).GetChars(bytes, characters)]);
    }

    // RFC 9110 5.5: "Historically, HTTP allowed field content with text in the ISO-8859-1 charset […]. A recipient SHOULD treat other allowed octets in field
    // content (i.e., obs-text) as opaque data." What comes today is UTF-8, and text in Latin-1 is hardly ever valid UTF-8 by accident.
    private static Encoding EncodingOf(ReadOnlySpan<byte> bytes) => Utf8.IsValid(bytes) ? Encoding.UTF8 : Encoding.Latin1;

    private static SearchValues<byte> BytesWhere(Func<byte, bool> holds) =>
        SearchValues.Create([.. Enumerable.Range(0, 256).Select(value => (byte)value).Where(holds)]);
}
