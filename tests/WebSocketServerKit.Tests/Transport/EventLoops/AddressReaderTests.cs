using System.Net;
using System.Text;

namespace WebSocketServerKit.Transport.EventLoops;

public sealed class AddressReaderTests
{
    private AddressReader _reader;

    [Fact]
    public void Addresses_of_each_kind_are_read()
    {
        Assert.Equal(IPAddress.Parse("192.0.2.7"), _reader.Read(V4("192.0.2.7", 8080), out int port));
        Assert.Equal(8080, port);
        Assert.Equal(IPAddress.Parse("2001:db8::1"), _reader.Read(V6("2001:db8::1", 443), out port));
        Assert.Equal(443, port);
        Assert.Equal(3, Assert.IsType<IPAddress>(_reader.Read(V6("fe80::1", 443, scope: 3), out _)).ScopeId);
        Assert.Equal("/tmp/peer", _reader.Read([1, 0, .. Encoding.UTF8.GetBytes("/tmp/peer"), 0], out port)?.ToString());
        Assert.Equal(0, port);
    }

    [Fact]
    public void An_IPv4_address_in_an_IPv6_socket_is_shown_as_such() =>
        Assert.Equal(IPAddress.Parse("192.0.2.7"), _reader.Read(V6("::ffff:192.0.2.7", 80), out _));

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 1, 0 })]
    [InlineData(new byte[] { 1, 0, 0, 65, 66 })] // the abstract namespace of Linux
    public void An_end_without_a_name_has_none(byte[] bytes) =>
        Assert.Null(_reader.Read(bytes, out _));

    [Theory]
    [InlineData((byte)'a', 106)] // with one slash more: the longest that .NET takes
    [InlineData((byte)'a', 107)] // the longest that Linux takes, without a zero at the end
    [InlineData((byte)0xff, 60)] // no UTF-8: what stands for a byte takes three
    [InlineData((byte)'\n', 1)]
    public void A_path_that_cannot_be_shown_is_none(byte letter, int count)
    {
        byte[] path = [(byte)'/', .. Enumerable.Repeat(letter, count)];
        Assert.Equal(count == 106 ? Encoding.UTF8.GetString(path) : null, _reader.Read([1, 0, .. path, 0], out _)?.ToString());
    }

    [Fact]
    public void Equal_addresses_in_a_row_are_one_object()
    {
        object? first = _reader.Read(V4("192.0.2.7", 1), out _);
        Assert.Same(first, _reader.Read(V4("192.0.2.7", 2), out _));
        Assert.Same(first, _reader.Read(V6("::ffff:192.0.2.7", 2), out _));
        object? other = _reader.Read(V6("fe80::1", 1, scope: 1), out _);
        Assert.Same(other, _reader.Read(V6("fe80::1", 1, scope: 1), out _));
        Assert.NotSame(other, _reader.Read(V6("fe80::1", 1, scope: 2), out _));
    }

    // struct sockaddr_in
    private static byte[] V4(string address, int port) =>
        [2, 0, (byte)(port >> 8), (byte)port, .. IPAddress.Parse(address).GetAddressBytes(), 0, 0, 0, 0, 0, 0, 0, 0];

    // struct sockaddr_in6
    private static byte[] V6(string address, int port, byte scope = 0) =>
        [10, 0, (byte)(port >> 8), (byte)port, 0, 0, 0, 0, .. IPAddress.Parse(address).GetAddressBytes(), scope, 0, 0, 0];
}
