using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using WebSocketServerKit.Fuzz.Targets;

namespace WebSocketServerKit.Transport.Proxies;

public sealed class ProxyHeaderParserTests
{
    private const byte Local = 0x20, Proxied = 0x21;
    private const byte TcpOverIpv4 = 0x11, TcpOverIpv6 = 0x21, UnixStream = 0x31;

    private static readonly byte[] Signature = [.. "\r\n\r\n\0\r\nQUIT\n"u8];

    /// <summary>192.0.2.1:4711 to 192.0.2.2:443.</summary>
    private static readonly byte[] Ipv4Block = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 0x01, 0xBB];

    // What haproxy 2.6 sent with "send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority,crc32c,unique-id".
    private static readonly byte[] SentByHaproxy = Convert.FromHexString(
        "0d0a0d0a000d0a515549540a211100567f0000017f000001c80e480903000463b4f50a02000e77732e6578616d706c652e636f6d05000449442d30"
        + "2000280100000000210007544c5376312e33230016544c535f4145535f3235365f47434d5f534841333834");

    // The same haproxy for a client at its Unix domain socket, with crc32c only.
    private static readonly byte[] LocalSentByHaproxy = Convert.FromHexString("0d0a0d0a000d0a515549540a20000007030004a9b87e8f");

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n", "192.0.2.1:4711", "192.0.2.2:443")]
    [InlineData("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0:0", "255.255.255.255:65535")]
    [InlineData("PROXY TCP6 2001:db8::1 ::1 4711 443\r\n", "[2001:db8::1]:4711", "[::1]:443")]
    [InlineData("PROXY TCP6 2001:0DB8:0:0:0:0:0:00FF :: 1 2\r\n", "[2001:db8::ff]:1", "[::]:2")]
    [InlineData(
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")]
    [InlineData("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 4711 443\r\n", "192.0.2.1:4711", "192.0.2.2:443")]
    public void Reads_the_addresses_of_a_line(string line, string source, string destination)
    {
        ProxyHeader header = AssertComplete(Encoding.ASCII.GetBytes(line));
        Assert.Equal(1, header.Version);
        Assert.False(header.IsLocal);
        Assert.Equal(IPEndPoint.Parse(source), header.Source);
        Assert.Equal(IPEndPoint.Parse(destination), header.Destination);
        Assert.Empty(header.Values);
    }

    [Theory]
    [InlineData("PROXY UNKNOWN\r\n")]
    [InlineData("PROXY UNKNOWN \r\n")]
    [InlineData("PROXY UNKNOWN 192.0.2.1 192.0.2.2 4711 443\r\n")]
    [InlineData("PROXY UNKNOWN TCP4  \t\r \n \0\u00FF \r\n")]
    [InlineData("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n")]
    public void Ignores_what_follows_UNKNOWN(string line)
    {
        ProxyHeader header = AssertComplete(Encoding.Latin1.GetBytes(line));
        Assert.Equal(1, header.Version);
        AssertNamesNoClient(header);
    }

    // Each with how many of its bytes are enough to tell.
    [Theory]
    [InlineData("GET / HTTP/1.1\r\n", 1, "the connection does not begin with a PROXY header")]
    [InlineData("PRI * HTTP/2.0\r\n", 3, "the connection does not begin with a PROXY header")]
    [InlineData("PROXZ", 5, "the connection does not begin with a PROXY header")]
    [InlineData("proxy TCP4", 1, "the connection does not begin with a PROXY header")]
    [InlineData("PROXY\r\n", 6, "the connection does not begin with a PROXY header")]
    [InlineData("\u0016\u0003\u0001", 1, "the connection does not begin with a PROXY header")]
    [InlineData("\0", 1, "the connection does not begin with a PROXY header")]
    [InlineData("PROXY  TCP4", 7, "the PROXY header names a protocol other than TCP4, TCP6 and UNKNOWN")]
    [InlineData("PROXY UDP4 ", 8, "the PROXY header names a protocol other than TCP4, TCP6 and UNKNOWN")]
    [InlineData("PROXY TCP5 ", 10, "the PROXY header names a protocol other than TCP4, TCP6 and UNKNOWN")]
    [InlineData("PROXY TCP46 ", 11, "the PROXY header names a protocol other than TCP4, TCP6 and UNKNOWN")]
    [InlineData("PROXY UNKNOWM\r\n", 13, "the PROXY header names a protocol other than TCP4, TCP6 and UNKNOWN")]
    [InlineData("PROXY UNKNOWNX\r\n", 14, "the PROXY header has no end of its line where one must be")]
    [InlineData("PROXY UNKNOWN\n", 14, "the PROXY header has no end of its line where one must be")]
    [InlineData("PROXY UNKNOWN\rX", 15, "the PROXY header has no end of its line where one must be")]
    [InlineData("PROXY TCP4  192.0.2.1", 12, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2.1\t", 21, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 ::1 ", 12, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2 ", 19, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2.256 ", 23, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2.01 ", 22, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2.1. ", 22, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 3221225985 ", 22, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2.100.000.0", 27, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2x", 31, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2\r\n", 31, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP6 192.0.2.1 ", 21, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP6 fe80::1%1 ", 19, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP6 [::1] ", 12, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP6 1::2::3 ", 19, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP6 1:2:3:4:5:6:7 ", 25, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP6 ::ffff:192.0.2.01 ", 29, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP6 2 ", 13, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP6 0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", 57, "the PROXY header has an invalid address")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2  ", 32, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 65536 ", 37, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 00 ", 34, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 080 ", 35, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 123456", 37, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 -1 ", 32, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", 33, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ", 35, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", 35, "the PROXY header has an invalid port")]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r", 36, "the PROXY header has no end of its line where one must be")]
    public void Refuses_a_line_as_soon_as_it_cannot_become_a_header(string input, int enough, string problem) =>
        AssertInvalid(Encoding.Latin1.GetBytes(input), enough, problem);

    [Fact]
    public void Refuses_a_line_that_does_not_end_within_107_bytes()
    {
        string longest = "PROXY UNKNOWN " + new string('x', 107 - 14 - 2) + "\r\n";
        AssertNamesNoClient(AssertComplete(Encoding.ASCII.GetBytes(longest)));
        AssertInvalid(Encoding.ASCII.GetBytes(longest.Replace("x\r", "xx\r", StringComparison.Ordinal)), 107, "the PROXY header has a line of more than 107 bytes");
        // The longest addresses that are written with an IPv4 address at their end, and the longest ports, do not fit.
        string wide = "0000:0000:0000:0000:0000:ffff:192.168.100.228";
        AssertInvalid(Encoding.ASCII.GetBytes($"PROXY TCP6 {wide} {wide} 65535 65535\r\n"), 107, "the PROXY header has a line of more than 107 bytes");
    }

    [Fact]
    public void Reads_IPv4_addresses_of_a_binary_header()
    {
        ProxyHeader header = AssertComplete(Binary(Proxied, TcpOverIpv4, Ipv4Block));
        Assert.Equal(2, header.Version);
        Assert.False(header.IsLocal);
        Assert.Equal(IPEndPoint.Parse("192.0.2.1:4711"), header.Source);
        Assert.Equal(IPEndPoint.Parse("192.0.2.2:443"), header.Destination);
        Assert.Empty(header.Values);
        Assert.Equal(header.Source, AssertComplete(Binary(Proxied, 0x12, Ipv4Block)).Source);
    }

    [Fact]
    public void Reads_IPv6_addresses_of_a_binary_header_and_shows_IPv4_addresses_as_such()
    {
        byte[] block =
        [
            .. IPAddress.Parse("2001:db8::1").GetAddressBytes(), .. IPAddress.Parse("::ffff:192.0.2.2").GetAddressBytes(), 0x12, 0x67, 0x01, 0xBB,
        ];
        foreach (byte family in new byte[] { TcpOverIpv6, 0x22 })
        {
            ProxyHeader header = AssertComplete(Binary(Proxied, family, block));
            Assert.Equal(IPEndPoint.Parse("[2001:db8::1]:4711"), header.Source);
            Assert.Equal(IPEndPoint.Parse("192.0.2.2:443"), header.Destination);
        }
    }

    [Fact]
    public void Reads_the_paths_of_Unix_domain_sockets()
    {
        ProxyHeader header = AssertComplete(Binary(Proxied, UnixStream, [.. Path("/run/client.sock"), .. Path("/run/proxy.sock\0rest")]));
        Assert.Equal(new UnixDomainSocketEndPoint("/run/client.sock"), header.Source);
        Assert.Equal(new UnixDomainSocketEndPoint("/run/proxy.sock"), header.Destination);

        header = AssertComplete(Binary(Proxied, 0x32, [.. Path(""), .. Path("\0abstract")]));
        Assert.Equal("", Assert.IsType<UnixDomainSocketEndPoint>(header.Source).ToString());
        Assert.Equal(new UnixDomainSocketEndPoint("\0abstract"), header.Destination);

        header = AssertComplete(Binary(Proxied, UnixStream, [.. Path(new string('/', 108)), .. Enumerable.Repeat((byte)0xFF, 108)]));
        Assert.Equal(new string('/', 108), Assert.IsType<UnixDomainSocketEndPoint>(header.Source).ToString());
        Assert.IsType<UnixDomainSocketEndPoint>(header.Destination);
    }

    [Fact]
    public void Takes_a_local_header_whatever_its_family_and_skips_its_block()
    {
        foreach (byte[] header in new[] { Binary(Local, 0x00, []), Binary(Local, TcpOverIpv4, Ipv4Block), Binary(Local, 0xFF, [1, 2, 3]), LocalSentByHaproxy })
        {
            AssertNamesNoClient(AssertComplete(header));
        }
    }

    [Fact]
    public void Reads_the_values_of_a_connection_of_an_unspecified_family()
    {
        foreach (byte family in new byte[] { 0x00, 0x01, 0x02 })
        {
            ProxyHeader header = AssertComplete(Binary(Proxied, family, [0x02, 0, 1, (byte)'a']));
            Assert.False(header.IsLocal);
            Assert.Null(header.Source);
            Assert.Null(header.Destination);
            Assert.Equal("a", header.Authority);
        }
    }

    [Fact]
    public void Gives_the_values_in_their_order_without_padding()
    {
        ProxyHeader header = AssertComplete(Binary(
            Proxied, TcpOverIpv4, [.. Ipv4Block, 0xE1, 0, 2, 7, 8, 0x04, 0, 3, 0, 0, 0, 0x05, 0, 0, 0x04, 0, 0, 0xE1, 0, 1, 9]));
        Assert.Equal([0xE1, 0x05, 0xE1], header.Values.Select(value => value.Type));
        Assert.Equal([7, 8], header.Values[0].Value.ToArray());
        Assert.True(header.Values[1].Value.IsEmpty);
        Assert.Equal([9], header.Values[2].Value.ToArray());
    }

    [Fact]
    public void Reads_what_haproxy_sends()
    {
        ProxyHeader header = AssertComplete(SentByHaproxy);
        Assert.Equal(IPEndPoint.Parse("127.0.0.1:51214"), header.Source);
        Assert.Equal(IPEndPoint.Parse("127.0.0.1:18441"), header.Destination);
        Assert.Equal("ws.example.com", header.Authority);
        Assert.True(header.IsSecure);
        Assert.Equal("ID-0"u8.ToArray(), header.Find(0x05)!.Value.ToArray());
        Assert.Equal([0x03, 0x02, 0x05, 0x20], header.Values.Select(value => value.Type));
    }

    [Fact]
    public void Notices_every_changed_bit_by_the_checksum()
    {
        int block = SentByHaproxy.Length - 16;
        for (int bit = 0; bit < 8 * SentByHaproxy.Length; bit++)
        {
            byte[] changed = [.. SentByHaproxy];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            ProxyHeaderStatus status = Parse(changed, [changed.Length], out _, out ProxyHeader? header, out _);
            // A longer header is not complete; one bit makes the command LOCAL, and another one the type of the checksum unknown or padding.
            bool becameLonger = changed[14] << 8 > 0 || changed[15] > block;
            bool isUnchecked = header is not null && (header.IsLocal || header.Find(0x03) is null);
            Assert.True(status == ProxyHeaderStatus.Invalid || becameLonger || isUnchecked, $"bit {bit}");
        }
    }

    [Theory]
    [InlineData(new byte[] { 0x03, 0, 4, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 0x03, 0, 3, 0, 0, 0 })]
    [InlineData(new byte[] { 0x03, 0, 0 })]
    [InlineData(new byte[] { 0x03, 0, 5, 0, 0, 0, 0, 0 })]
    public void Refuses_a_wrong_checksum(byte[] value)
    {
        byte[] header = Binary(Proxied, TcpOverIpv4, [.. Ipv4Block, .. value]);
        AssertInvalid(header, header.Length, "the PROXY header has a wrong checksum");
    }

    [Fact]
    public void Refuses_a_second_checksum_even_a_right_one()
    {
        byte[] header = Binary(Proxied, TcpOverIpv4, [.. Ipv4Block, 0x03, 0, 4, 0, 0, 0, 0]);
        uint first = Crc32CBitByBit(header);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(header.Length - 4), first);
        AssertComplete(header);

        byte[] twice = Binary(Proxied, TcpOverIpv4, [.. header[16..], 0x03, 0, 4, 0, 0, 0, 0]);
        BinaryPrimitives.WriteUInt32BigEndian(twice.AsSpan(31), 0);
        BinaryPrimitives.WriteUInt32BigEndian(twice.AsSpan(31), Crc32CBitByBit(twice));
        AssertInvalid(twice, twice.Length, "the PROXY header has a wrong checksum");
    }

    [Fact]
    public void Refuses_a_binary_header_as_soon_as_it_cannot_become_one()
    {
        for (int i = 1; i < Signature.Length; i++)
        {
            byte[] header = Binary(Proxied, TcpOverIpv4, Ipv4Block);
            header[i] ^= 0x20;
            AssertInvalid(header, i + 1, "the connection does not begin with a PROXY header");
        }

        foreach (byte command in new byte[] { 0x11, 0x31, 0x01, 0xF1 })
            AssertInvalid(Binary(command, TcpOverIpv4, Ipv4Block), 13, "the PROXY header has a version other than 1 and 2");
        foreach (byte command in new byte[] { 0x22, 0x2F })
            AssertInvalid(Binary(command, TcpOverIpv4, Ipv4Block), 13, "the PROXY header has a command other than LOCAL and PROXY");
        foreach (byte family in new byte[] { 0x03, 0x10, 0x13, 0x20, 0x23, 0x30, 0x33, 0x41, 0xF1, 0xFF })
            AssertInvalid(Binary(Proxied, family, new byte[216]), 14, "the PROXY header has an unknown combination of address family and transport");
        foreach ((byte family, int bytes) in new (byte, int)[] { (TcpOverIpv4, 12), (TcpOverIpv6, 36), (UnixStream, 216) })
            AssertInvalid(Binary(Proxied, family, new byte[bytes - 1]), 16, "the PROXY header is too short for its addresses");
    }

    [Fact]
    public void Takes_4096_bytes_and_refuses_a_longer_length_without_waiting_for_the_bytes()
    {
        byte[] value = [0xE0, 0x0F, 0xE1, .. new byte[4096 - 16 - 12 - 3]];
        Assert.Equal(4096, 16 + 12 + value.Length);
        Assert.Equal(4096 - 16 - 12 - 3, Assert.Single(Header(Binary(Proxied, TcpOverIpv4, [.. Ipv4Block, .. value])).Values).Value.Length);

        foreach (byte command in new[] { Proxied, Local })
        {
            byte[] longer = Binary(command, TcpOverIpv4, new byte[4097 - 16]);
            AssertInvalid(longer[..16], 16, "the PROXY header has more than 4096 bytes");
            longer[14] = longer[15] = 0xFF;
            AssertInvalid(longer[..16], 16, "the PROXY header has more than 4096 bytes");
        }
    }

    [Theory]
    [InlineData(new byte[] { 0x02 })]
    [InlineData(new byte[] { 0x02, 0 })]
    [InlineData(new byte[] { 0x02, 0, 1 })]
    [InlineData(new byte[] { 0x02, 0, 3, 1, 2 })]
    [InlineData(new byte[] { 0x04, 0xFF, 0xFF, 1, 2 })]
    [InlineData(new byte[] { 0x02, 0, 1, 1, 0xE0, 0 })]
    public void Refuses_a_value_that_is_cut(byte[] values)
    {
        byte[] header = Binary(Proxied, TcpOverIpv4, [.. Ipv4Block, .. values]);
        AssertInvalid(header, header.Length, "the PROXY header has a value that is longer than the rest of the header");
    }

    [Fact]
    public void Allocates_nothing_before_the_header_is_complete()
    {
        ReadOnlySequence<byte> input = new(Binary(Proxied, TcpOverIpv4, [.. Ipv4Block, 0xE0, 0x0F, 0xE1, .. new byte[4065]])[..^1]);
        ProxyHeaderParser.Parse(input, out _, out _, out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ProxyHeaderStatus status = ProxyHeaderParser.Parse(input, out _, out _, out _);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(ProxyHeaderStatus.NeedMore, status);
    }

    // Also that every beginning needs more, and that what follows does not matter, in every pair of segments and byte by byte.
    private static ProxyHeader AssertComplete(byte[] bytes)
    {
        byte[] input = [.. bytes, .. "PROXY GET"u8];
        ProxyHeader? last = null;
        for (int end = 0; end <= input.Length; end++)
        {
            for (int cut = 0; cut <= end; cut++)
            {
                ProxyHeaderStatus status = Parse(input, [cut, end], out long consumed, out ProxyHeader? header, out string? problem);
                Assert.Equal(end < bytes.Length ? ProxyHeaderStatus.NeedMore : ProxyHeaderStatus.Complete, status);
                Assert.Equal(end < bytes.Length ? 0 : bytes.Length, consumed);
                Assert.Equal(end < bytes.Length, header is null);
                Assert.Null(problem);
                if (last is not null && header is not null)
                    AssertSame(last, header);
                last = header ?? last;
            }
        }

        Parse(input, Enumerable.Range(1, input.Length), out _, out ProxyHeader? byteByByte, out _);
        AssertSame(last!, byteByByte!);
        return last!;
    }

    private static void AssertInvalid(byte[] input, int enough, string problem)
    {
        for (int end = 0; end <= input.Length; end++)
        {
            foreach (int cut in end < 256 ? Enumerable.Range(0, end + 1) : [0, end / 2])
            {
                ProxyHeaderStatus status = Parse(input, [cut, end], out long consumed, out ProxyHeader? header, out string? found);
                Assert.Equal((end < enough ? ProxyHeaderStatus.NeedMore : ProxyHeaderStatus.Invalid, end), (status, end));
                Assert.Equal(end < enough ? null : problem, found);
                Assert.Equal(0, consumed);
                Assert.Null(header);
            }
        }
    }

    private static void AssertNamesNoClient(ProxyHeader header)
    {
        Assert.True(header.IsLocal);
        Assert.Null(header.Source);
        Assert.Null(header.Destination);
        Assert.Empty(header.Values);
    }

    private static void AssertSame(ProxyHeader expected, ProxyHeader actual)
    {
        Assert.Equal((expected.Version, expected.IsLocal), (actual.Version, actual.IsLocal));
        Assert.Equal(expected.Source, actual.Source);
        Assert.Equal(expected.Destination, actual.Destination);
        Assert.Equal(expected.Values.Count, actual.Values.Count);
        foreach ((ProxyHeaderValue one, ProxyHeaderValue other) in expected.Values.Zip(actual.Values))
        {
            Assert.Equal(one.Type, other.Type);
            Assert.True(one.Value.Span.SequenceEqual(other.Value.Span));
        }
    }

    private static ProxyHeader Header(byte[] bytes)
    {
        Assert.Equal(ProxyHeaderStatus.Complete, Parse(bytes, [bytes.Length], out long consumed, out ProxyHeader? header, out _));
        Assert.Equal(bytes.Length, consumed);
        return header!;
    }

    private static ProxyHeaderStatus Parse(byte[] input, IEnumerable<int> ends, out long consumed, out ProxyHeader? header, out string? problem) =>
        ProxyHeaderParser.Parse(Segments.Of(input, 0, ends), out consumed, out header, out problem);

    private static byte[] Binary(byte command, byte family, byte[] block) =>
        [.. Signature, command, family, (byte)(block.Length >> 8), (byte)block.Length, .. block];

    private static byte[] Path(string path) => [.. Encoding.ASCII.GetBytes(path), .. new byte[108 - path.Length]];

    private static uint Crc32CBitByBit(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int i = 0; i < 8; i++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }

        return ~crc;
    }
}
