using System.Buffers;
using System.Net;
using System.Text;

namespace WebSocketServerKit.Protocol.Handshake;

public sealed class HandshakeRequestParserTests
{
    private const string Complete = nameof(HandshakeViolation.None);
    private const string NeedMore = nameof(HandshakeParseStatus.NeedMore);

    /// <summary>Requests (Latin-1 stands for bytes), each with the rule that it breaks.</summary>
    public static TheoryData<string, string> Battery { get; } = new()
    {
        // Well-formed
        { Complete, RequestHeads.Sample },
        { Complete, "GET / HTTP/1.1\r\nHost: a\r\n\r\n" },
        { Complete, "GET / HTTP/1.2\r\nHost: a\r\n\r\n" },
        { Complete, "GET / HTTP/1.0\r\n\r\n" },
        { Complete, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" },
        { Complete, "get /a?b=c%zz|[] HTTP/1.1\r\nhOST:a:80\r\n\r\n" },
        { Complete, "UPDATEREDIRECTREF / HTTP/1.1\r\nHost: a\r\n\r\n" },
        { Complete, "GET ws://a:1/b?c HTTP/1.1\r\nHost: d\r\n\r\n" },
        { Complete, "GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\r\nY: \t \r\nZ: a\tb\u0080\u00FF\r\n\r\n" },
        { Complete, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n" },
        { Complete, "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n\u0081\u0085abc\r\n\r\n" },
        { Complete, "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n" },
        { Complete, "GET / HTTP/1.1\r\nHost:\r\n\r\n" },
        { Complete, "GET /100%/caf%E9 HTTP/1.1\r\nHost: a\r\nX: Zo\u00C3\u00AB\r\nY: Zo\u00EB\r\n\r\n" },

        // Not complete
        { NeedMore, "" },
        { NeedMore, "\u0016" },
        { NeedMore, "\r" },
        { NeedMore, "\r\n" },
        { NeedMore, "\r\n\r" },
        { NeedMore, "GET" },
        { NeedMore, "GET " },
        { NeedMore, "GET /a" },
        { NeedMore, "GET /a " },
        { NeedMore, "GET /a HTTP/1" },
        { NeedMore, "GET /a HTTP/1.1\r" },
        { NeedMore, "GET /a HTTP/1.1\r\nHos" },
        { NeedMore, "GET /a HTTP/1.1\r\nHost: a\r\n\r" },
        { NeedMore, RequestHeads.Sample[..^1] },

        // The start of the connection
        { nameof(HandshakeViolation.UnexpectedProxyHeader), "PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n" },
        { nameof(HandshakeViolation.UnexpectedProxyHeader), "PROXY UNKNOWN\r\n" },
        { nameof(HandshakeViolation.TlsOnPlainPort), "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00FC\u0003\u0003" },
        { nameof(HandshakeViolation.InvalidMethod), "\u0016\u0002" },
        { nameof(HandshakeViolation.BareLineFeed), "\u0016\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "\u0016\r\n" },
        { nameof(HandshakeViolation.InvalidMethod), "\u0000" },
        { nameof(HandshakeViolation.InvalidMethod), " GET / HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.BareLineFeed), "\nGET / HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "\rGET / HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "\r\n\r\nGET / HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.UnsupportedHttpVersion), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },

        // The request line
        { nameof(HandshakeViolation.InvalidMethod), "G(T / HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.InvalidMethod), "GET\t/ HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "GET\r/ HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.MethodTooLong), "ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567 / HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.MethodTooLong), "ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET /\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET  / HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET /  HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET / HTTP/1.1 \r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET / HTTP/1.10\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET / HTTP/1\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET / http/1.1\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET / HTTP/x.1\r\n" },
        { nameof(HandshakeViolation.MalformedRequestLine), "GET /a b HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "GET / HTTP\r/1.1\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "GET / HTTP/1.1\r\r\n" },
        { nameof(HandshakeViolation.BareLineFeed), "GET / HTTP/1.1\nHost: a\n\n" },
        { nameof(HandshakeViolation.UnsupportedHttpVersion), "GET / HTTP/0.9\r\n" },
        { nameof(HandshakeViolation.UnsupportedHttpVersion), "GET / HTTP/2.0\r\n" },
        { nameof(HandshakeViolation.UnsupportedHttpVersion), "GET * HTTP/3.1\r\n" },

        // The target
        { nameof(HandshakeViolation.InvalidTargetCharacter), "GET /\u00E9 HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.InvalidTargetCharacter), "GET /\u007F HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.InvalidTargetCharacter), "GET /\u0000 HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.InvalidTargetCharacter), "GET /\t HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "GET /\rX HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.FragmentInTarget), "GET /a#b HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.UnsupportedTargetForm), "OPTIONS * HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.UnsupportedTargetForm), "CONNECT example.com:80 HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.InvalidHost), "GET ws://a@b/ HTTP/1.1\r\n" },
        { nameof(HandshakeViolation.ControlInPath), "GET /%0A HTTP/1.1\r\n" },

        // Header lines
        { nameof(HandshakeViolation.LineFolding), "GET / HTTP/1.1\r\n Host: a\r\n" },
        { nameof(HandshakeViolation.LineFolding), "GET / HTTP/1.1\r\nX: a\r\n\tb\r\n" },
        { nameof(HandshakeViolation.InvalidHeaderName), "GET / HTTP/1.1\r\n: a\r\n" },
        { nameof(HandshakeViolation.InvalidHeaderName), "GET / HTTP/1.1\r\nX(: a\r\n" },
        { nameof(HandshakeViolation.InvalidHeaderName), "GET / HTTP/1.1\r\nX\u00E9: a\r\n" },
        { nameof(HandshakeViolation.InvalidHeaderName), "GET / HTTP/1.1\r\n\u0000" },
        { nameof(HandshakeViolation.WhitespaceBeforeColon), "GET / HTTP/1.1\r\nHost : a\r\n" },
        { nameof(HandshakeViolation.WhitespaceBeforeColon), "GET / HTTP/1.1\r\nHost\t: a\r\n" },
        { nameof(HandshakeViolation.WhitespaceBeforeColon), "GET / HTTP/1.1\r\nMy Host: a\r\n" },
        { nameof(HandshakeViolation.MissingColon), "GET / HTTP/1.1\r\nHost\r\n" },
        { nameof(HandshakeViolation.InvalidHeaderValue), "GET / HTTP/1.1\r\nX: a\u0000\r\n" },
        { nameof(HandshakeViolation.InvalidHeaderValue), "GET / HTTP/1.1\r\nX: a\u007Fb\r\n" },
        { nameof(HandshakeViolation.InvalidHeaderValue), "GET / HTTP/1.1\r\nX:\u001B[31m\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "GET / HTTP/1.1\r\nX: a\rb\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "GET / HTTP/1.1\r\nX: a\r\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "GET / HTTP/1.1\r\nX\ra: b\r\n" },
        { nameof(HandshakeViolation.BareCarriageReturn), "GET / HTTP/1.1\r\n\r\r\n" },
        { nameof(HandshakeViolation.BareLineFeed), "GET / HTTP/1.1\r\nX: a\nY: b\r\n" },
        { nameof(HandshakeViolation.BareLineFeed), "GET / HTTP/1.1\r\nHost: a\r\n\n" },

        // The head as a whole
        { nameof(HandshakeViolation.RepeatedHeader), RequestHeads.Get("host: localhost") },
        { nameof(HandshakeViolation.RepeatedHeader), RequestHeads.Get("Origin: http://a", "Origin: http://a") },
        { nameof(HandshakeViolation.RepeatedHeader), RequestHeads.Get("Authorization: Basic YQ==", "Authorization: Basic Yg==") },
        { nameof(HandshakeViolation.RepeatedHeader), RequestHeads.Get("Content-Length: 0", "Content-Length: 0") },
        { nameof(HandshakeViolation.RepeatedHeader), RequestHeads.Get("Sec-WebSocket-Key: a", "Sec-WebSocket-Key: a") },
        { nameof(HandshakeViolation.RepeatedHeader), RequestHeads.Get("Sec-WebSocket-Version: 13", "sec-websocket-version: 8") },
        { nameof(HandshakeViolation.RepeatedHeader), "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n" },
        { nameof(HandshakeViolation.MissingHost), "GET / HTTP/1.1\r\n\r\n" },
        { nameof(HandshakeViolation.MissingHost), "GET ws://a/ HTTP/1.1\r\n\r\n" },
        { nameof(HandshakeViolation.InvalidHost), "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
        { nameof(HandshakeViolation.InvalidHost), "GET / HTTP/1.0\r\nHost: a, b\r\n\r\n" },
        { nameof(HandshakeViolation.InvalidHost), "GET ws://a/ HTTP/1.1\r\nHost: b@c\r\n\r\n" },
        { nameof(HandshakeViolation.InvalidContentLength), RequestHeads.Get("Content-Length: -1") },
        { nameof(HandshakeViolation.InvalidContentLength), RequestHeads.Get("Content-Length: 0, 0") },
        { nameof(HandshakeViolation.InvalidContentLength), RequestHeads.Get("Content-Length:") },
        { nameof(HandshakeViolation.AmbiguousBodyLength), RequestHeads.Get("Content-Length: 0", "Transfer-Encoding: chunked") },
        { nameof(HandshakeViolation.BodyNotAccepted), RequestHeads.Get("Content-Length: 10") },
        { nameof(HandshakeViolation.BodyNotAccepted), RequestHeads.Get("Content-Length: 99999999999999999999999999") },
        { nameof(HandshakeViolation.BodyNotAccepted), RequestHeads.Get("Transfer-Encoding: chunked") },
    };

    [Theory]
    [MemberData(nameof(Battery))]
    public void Gives_each_request_its_outcome(string expected, string request) => Assert.Equal(expected, ParseWhole(Bytes(request)).Name);

    [Theory]
    [MemberData(nameof(Battery))]
    public void Gives_the_same_outcome_byte_by_byte(string expected, string request)
    {
        byte[] bytes = Bytes(request);
        Outcome outcome = ParseInSteps(bytes, Enumerable.Range(1, bytes.Length));
        Assert.Equal(expected, outcome.Name);
        Assert.Equal(ParseWhole(bytes), outcome);
    }

    [Theory]
    [MemberData(nameof(Battery))]
    public void Gives_the_same_outcome_when_cut_anywhere(string expected, string request)
    {
        byte[] bytes = Bytes(request);
        Outcome whole = ParseWhole(bytes);
        Assert.Equal(expected, whole.Name);
        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            Assert.Equal(whole, ParseInSteps(bytes, [cut, bytes.Length]));
            Assert.Equal(whole, Parse(NewParser(), Segments(bytes, cut)));
        }
    }

    [Theory]
    [InlineData(8192, 100)]
    [InlineData(120, 3)]
    public void Gives_the_same_outcome_for_damaged_requests_however_they_are_cut(int maxHeadBytes, int maxHeaderLines)
    {
        Random random = new(Seed: 6455);
        byte[][] seeds = [.. Battery.Select(row => Bytes(row.Data.Item2)).Where(bytes => bytes.Length > 0)];
        byte[] likely = Bytes("\r\n :/%#\t\0\u0016\u0003A1\u00FF");
        for (int i = 0; i < 3000; i++)
        {
            byte[] bytes = [.. seeds[random.Next(seeds.Length)], .. seeds[random.Next(seeds.Length)]];
            for (int damage = random.Next(4); damage > 0; damage--)
                bytes[random.Next(bytes.Length)] = likely[random.Next(likely.Length)];

            int cut = random.Next(bytes.Length + 1);
            Outcome whole = Parse(new(maxHeadBytes, maxHeaderLines), new(bytes));
            Outcome inSteps = ParseInSteps(bytes, Enumerable.Range(1, bytes.Length), new(maxHeadBytes, maxHeaderLines));
            Outcome inSegments = Parse(new(maxHeadBytes, maxHeaderLines), Segments(bytes, cut));
            Assert.Equal((whole, whole), (inSteps, inSegments));
        }
    }

    [Theory]
    [InlineData("\u0080GET", 1)]
    [InlineData("\u0016\u0003\u0001", 2)]
    [InlineData("G=T / HTTP/1.1\r\n", 2)]
    [InlineData("ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890", 33)]
    [InlineData("GET  / HTTP/1.1\r\n", 5)]
    [InlineData("GET /#a HTTP/1.1\r\n", 6)]
    [InlineData("GET / HTTP 1.1\r\n", 11)]
    [InlineData("GET / HTTP/2.0\r\nX: a\r\n", 16)]
    [InlineData("GET / HTTP/1.1\r\n X: a\r\n", 17)]
    [InlineData("GET / HTTP/1.1\r\nX : a\r\n", 18)]
    [InlineData("GET / HTTP/1.1\r\nX:\0a\r\n", 19)]
    public void Refuses_at_the_first_wrong_byte(string request, int bytesNeeded)
    {
        byte[] bytes = Bytes(request);
        Assert.Equal(NeedMore, ParseWhole(bytes[..(bytesNeeded - 1)]).Name);
        Assert.Equal(HandshakeParseStatus.Refused, ParseWhole(bytes[..bytesNeeded]).Status);
    }

    [Fact]
    public void Parses_the_request_of_RFC_6455()
    {
        HandshakeRequest request = RequestHeads.Parse(RequestHeads.Sample);

        Assert.Equal("GET", request.Method);
        Assert.Equal("/chat", request.Target);
        Assert.Equal("/chat", request.Path);
        Assert.Equal("", request.QueryString);
        Assert.Equal(HttpVersion.Version11, request.Version);
        Assert.Equal("server.example.com", request.Host);
        Assert.Equal("http://example.com", request.Origin);
        Assert.Equal(RequestHeads.SampleKey, request.Key);
        Assert.Equal(["chat", "superchat"], request.RequestedSubprotocols);
        Assert.Equal(7, request.Headers.Count);
        Assert.True(request.IsWebSocket);
    }

    [Theory]
    [InlineData("HTTP/1.0", 0)]
    [InlineData("HTTP/1.1", 1)]
    [InlineData("HTTP/1.9", 9)]
    public void Tells_the_version(string version, int minor) =>
        Assert.Equal(new Version(1, minor), RequestHeads.Parse($"GET / {version}\r\nHost: a\r\n\r\n").Version);

    [Fact]
    public void Takes_the_host_from_an_absolute_target()
    {
        HandshakeRequest request = RequestHeads.Parse("GET wss://example.com:444/a%20b?c HTTP/1.1\r\nHost: proxy\r\n\r\n");

        Assert.Equal("example.com:444", request.Host);
        Assert.Equal("wss://example.com:444/a%20b?c", request.Target);
        Assert.Equal("/a b", request.Path);
        Assert.Equal("c", request.QueryString);
        Assert.Equal("proxy", request.Headers["Host"]);
    }

    [Fact]
    public void Takes_an_HTTP_1_0_request_without_a_host() => Assert.Equal("", RequestHeads.Parse("GET / HTTP/1.0\r\n\r\n").Host);

    [Fact]
    public void Takes_an_empty_host() => Assert.Equal("", RequestHeads.Parse("GET / HTTP/1.1\r\nHost: \r\n\r\n").Host);

    [Fact]
    public void Trims_values()
    {
        string longValue = new('v', 60);
        HandshakeRequest request = RequestHeads.Parse(RequestHeads.Get("X:\t a \tb\t ", "Y:", "Z: " + longValue));
        Assert.Equal("a \tb", request.Headers["X"]);
        Assert.Equal("", request.Headers["Y"]);
        Assert.Equal(longValue, request.Headers["Z"]);
    }

    /// <summary>Values of which some come as strings that are shared, some are short and some are long.</summary>
    [Theory]
    [InlineData("X", 0)]
    [InlineData("X", 100)]
    [InlineData("User-Agent", 0)]
    [InlineData("User-Agent", 300)]
    public void Reads_a_value_as_UTF_8_if_it_is_that_and_else_as_Latin_1(string name, int more)
    {
        string tail = new('x', more);
        foreach ((byte[] bytes, string text) in ((byte[], string)[])
            [
                ([0x5A, 0x6F, 0xC3, 0xAB], "Zo\u00EB"),
                ([0xF0, 0x9F, 0x98, 0x80, 0xE2, 0x82, 0xAC], "\U0001F600\u20AC"),
                ([0x5A, 0x6F, 0xEB], "Zo\u00EB"),
                ([0xC3, 0xAB, 0xEB], "\u00C3\u00AB\u00EB"), // both in one value: Latin-1 is right for one of them, and loses nothing
                ([0xC0, 0xAF], "\u00C0\u00AF"), // overlong
            ])
        {
            byte[] head = [.. Bytes($"GET / HTTP/1.1\r\nHost: a\r\n{name}: "), .. bytes, .. Bytes($"{tail}\r\n\r\n")];
            HandshakeRequestParser parser = NewParser();
            Assert.Equal(HandshakeParseStatus.Complete, parser.Parse(new(head), out _, out _));
            Assert.Equal(text + tail, parser.Request!.Headers[name]);
        }
    }

    [Fact]
    public void Shares_the_strings_that_every_handshake_has()
    {
        HandshakeRequest first = RequestHeads.Parse(RequestHeads.Sample);
        HandshakeRequest second = RequestHeads.Parse(RequestHeads.Sample);
        Assert.Same(first.Method, second.Method);
        Assert.Same(first.Headers.ElementAt(1).Key, second.Headers.ElementAt(1).Key);
        Assert.Same(first.Headers["Upgrade"], second.Headers["Upgrade"]);
    }

    [Fact]
    public void Leaves_what_follows_the_head()
    {
        byte[] bytes = Bytes(RequestHeads.Sample + "\u0081\u0080frame\r\n\r\n");
        ReadOnlySequence<byte> input = Segments(bytes, bytes.Length - 3);

        Assert.Equal(HandshakeParseStatus.Complete, NewParser().Parse(input, out SequencePosition consumed, out SequencePosition examined));
        Assert.Equal("\u0081\u0080frame\r\n\r\n", Encoding.Latin1.GetString(input.Slice(consumed).ToArray()));
        Assert.Equal(consumed, examined);
    }

    [Fact]
    public void Consumes_whole_lines_and_examines_all_when_it_needs_more()
    {
        ReadOnlySequence<byte> input = new(Bytes("GET / HTTP/1.1\r\nHost: a\r\nUpgr"));

        Assert.Equal(HandshakeParseStatus.NeedMore, NewParser().Parse(input, out SequencePosition consumed, out SequencePosition examined));
        Assert.Equal("Upgr", Encoding.Latin1.GetString(input.Slice(consumed).ToArray()));
        Assert.Equal(input.End, examined);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nX Y: a\r\n\r\n")]
    public void Keeps_its_outcome(string request)
    {
        HandshakeRequestParser parser = NewParser();
        HandshakeParseStatus status = parser.Parse(new(Bytes(request)), out _, out _);
        (HandshakeRequest? Request, HandshakeViolation Violation) outcome = (parser.Request, parser.Violation);

        ReadOnlySequence<byte> more = new(Bytes("\0\n\n"));
        Assert.Equal(status, parser.Parse(more, out SequencePosition consumed, out _));
        Assert.Equal(more.Start, consumed);
        Assert.Equal(outcome, (parser.Request, parser.Violation));
    }

    [Fact]
    public void Accepts_a_head_of_exactly_the_limit_and_refuses_one_byte_more()
    {
        byte[] bytes = Bytes(RequestHeads.Sample);
        Assert.Equal(Complete, Parse(new(bytes.Length, 100), new([.. bytes, 1, 2, 3])).Name);
        Assert.Equal(nameof(HandshakeViolation.HeadTooLarge), Parse(new(bytes.Length - 1, 100), new(bytes)).Name);
    }

    [Theory]
    [InlineData("GET /0123456789", 10, nameof(HandshakeViolation.TargetTooLong))]
    [InlineData("GET /01234 HTTP/1.1\r\n", 15, nameof(HandshakeViolation.TargetTooLong))]
    [InlineData("ABCDEFGHIJKLMN", 10, nameof(HandshakeViolation.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\nX", 16, nameof(HandshakeViolation.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\nX: 0123456789", 20, nameof(HandshakeViolation.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\nX: a\r\n\r\n", 20, nameof(HandshakeViolation.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\nX: 0\u00001", 20, nameof(HandshakeViolation.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\r\nX: 0\u00001", 21, nameof(HandshakeViolation.InvalidHeaderValue))]
    public void Counts_every_byte_of_the_head_and_refuses_once_the_limit_leaves_no_way_to_end_it(string request, int limit, string expected)
    {
        byte[] bytes = Bytes(request);
        Assert.Equal(expected, Parse(new(limit, 100), new(bytes)).Name);
        Assert.Equal(expected, ParseInSteps(bytes, Enumerable.Range(1, limit), new(limit, 100)).Name);
        Assert.Equal(NeedMore, Parse(new(limit, 100), new(bytes.AsMemory(0, limit - 1))).Name);
    }

    [Fact]
    public void Accepts_as_many_header_lines_as_the_limit_and_refuses_the_next_at_its_first_byte()
    {
        byte[] twoLines = Bytes("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n");
        Assert.Equal(Complete, Parse(new(8192, 2), new(twoLines)).Name);
        Assert.Equal(NeedMore, Parse(new(8192, 1), new(Bytes("GET / HTTP/1.1\r\nHost: a\r\n"))).Name);
        Assert.Equal(nameof(HandshakeViolation.TooManyHeaderLines), Parse(new(8192, 1), new(Bytes("GET / HTTP/1.1\r\nHost: a\r\nX"))).Name);
    }

    [Theory]
    [InlineData("Host", 5)]
    [InlineData("Origin", 0)]
    [InlineData("User-Agent", 256)]
    [InlineData("User-Agent", 257)]
    [InlineData("Accept-Language", 5)]
    public void What_clients_have_in_common_is_as_each_of_them_sent_it(string name, int length)
    {
        foreach (char letter in "aba")
        {
            string value = new(letter, length);
            HandshakeRequestParser parser = NewParser();
            parser.Parse(new(Bytes($"GET / HTTP/1.0\r\n{name}: {value}\r\n\r\n")), out _, out _);
            Assert.Equal(value, parser.Request!.Headers[name]);
        }
    }

    [Fact]
    public void Parses_a_head_that_comes_in_many_segments_over_several_reads()
    {
        // The second read needs more room for putting the segments together than the first, the third less.
        byte[] bytes = Bytes(RequestHeads.Get("A: " + new string('a', 100), "B: " + new string('b', 1000), "C: " + new string('c', 50)));
        ReadOnlySequence<byte> first = Segments(bytes[..100], 50);
        HandshakeRequestParser parser = NewParser();
        Assert.Equal(HandshakeParseStatus.NeedMore, parser.Parse(first, out SequencePosition consumed, out _));
        int offset = (int)first.Slice(first.Start, consumed).Length;

        ReadOnlySequence<byte> second = Segments(bytes[offset..1100], 500);
        Assert.Equal(HandshakeParseStatus.NeedMore, parser.Parse(second, out consumed, out _));
        offset += (int)second.Slice(second.Start, consumed).Length;

        Assert.Equal(HandshakeParseStatus.Complete, parser.Parse(Segments(bytes[offset..], 30), out _, out _));
        Assert.Equal(new string('b', 1000), parser.Request!.Headers["B"]);
        Assert.Equal(new string('c', 50), parser.Request.Headers["C"]);
    }

    [Theory]
    [InlineData("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", true)]
    [InlineData("HEAD / HTTP/1.1\r\nno colon\r\n", true)]
    [InlineData("HEAD", false)]
    [InlineData("GET / HTTP/1.1\r\nno colon\r\n", false)]
    public void Tells_a_HEAD_request_even_when_it_refuses_it(string request, bool isHead)
    {
        HandshakeRequestParser parser = NewParser();
        parser.Parse(new(Bytes(request)), out _, out _);
        Assert.Equal(isHead, parser.IsHead);
    }

    private static HandshakeRequestParser NewParser() => new(maxHeadBytes: 8192, maxHeaderLines: 100);

    private static byte[] Bytes(string latin1) => Encoding.Latin1.GetBytes(latin1);

    private static Outcome ParseWhole(byte[] bytes) => Parse(NewParser(), new(bytes));

    /// <summary>Parses as from a pipe: each call sees what has arrived up to the next end and was not consumed before.</summary>
    private static Outcome ParseInSteps(byte[] bytes, IEnumerable<int> ends, HandshakeRequestParser? limited = null)
    {
        HandshakeRequestParser parser = limited ?? NewParser();
        int consumedBytes = 0;
        HandshakeParseStatus status = HandshakeParseStatus.NeedMore;
        foreach (int end in ends)
        {
            ReadOnlySequence<byte> input = new(bytes.AsMemory(consumedBytes, end - consumedBytes));
            status = parser.Parse(input, out SequencePosition consumed, out _);
            consumedBytes += (int)input.Slice(input.Start, consumed).Length;
            if (status != HandshakeParseStatus.NeedMore)
                break;
        }

        return Outcome.Of(parser, status, consumedBytes);
    }

    private static Outcome Parse(HandshakeRequestParser parser, ReadOnlySequence<byte> input)
    {
        HandshakeParseStatus status = parser.Parse(input, out SequencePosition consumed, out _);
        return Outcome.Of(parser, status, (int)input.Slice(input.Start, consumed).Length);
    }

    private static ReadOnlySequence<byte> Segments(byte[] bytes, int cut)
    {
        Segment first = new(bytes.AsMemory(0, cut), previous: null);
        Segment last = new(bytes.AsMemory(cut), first);
        return new(first, 0, last, last.Memory.Length);
    }

    /// <summary>All that a caller sees of an outcome. Where a refused head was consumed up to is of no use to anybody.</summary>
    private sealed record Outcome(HandshakeParseStatus Status, HandshakeViolation Violation, int? Consumed, string Request)
    {
        public string Name => Status == HandshakeParseStatus.NeedMore ? Status.ToString() : Violation.ToString();

        public static Outcome Of(HandshakeRequestParser parser, HandshakeParseStatus status, int consumed)
        {
            Assert.Equal(status == HandshakeParseStatus.Complete, parser.Request is not null);
            Assert.Equal(status == HandshakeParseStatus.Refused, parser.Violation != HandshakeViolation.None);
            string request = parser.Request is { } seen
                ? $"{seen.Method} {seen.Target} {seen.Version} {seen.Path} {seen.Host} {string.Join('|', seen.Headers)}"
                : "";
            return new(status, parser.Violation, status == HandshakeParseStatus.Refused ? null : consumed, request);
        }
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? previous)
        {
            Memory = memory;
            if (previous is null)
                return;

            RunningIndex = previous.RunningIndex + previous.Memory.Length;
            previous.Next = this;
        }
    }
}
