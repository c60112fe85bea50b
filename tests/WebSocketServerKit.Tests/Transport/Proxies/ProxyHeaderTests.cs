namespace WebSocketServerKit.Transport.Proxies;

public sealed class ProxyHeaderTests
{
    [Fact]
    public void Finds_the_first_value_of_a_type()
    {
        ProxyHeader header = With((0xE0, [1]), (0xE1, [2]), (0xE1, [3]), (0xE2, []));
        Assert.Equal([2], header.Find(0xE1)!.Value.ToArray());
        Assert.True(header.Find(0xE2)!.Value.IsEmpty);
        Assert.Null(header.Find(0xE3));
    }

    [Fact]
    public void Tells_the_host_name_that_the_client_asked_for()
    {
        Assert.Equal("b\u00FCcher.example", With((0x02, "b\u00FCcher.example"u8.ToArray())).Authority);
        Assert.Equal("", With((0x02, [])).Authority);
        Assert.Null(With((0x02, [0xFF])).Authority);
        Assert.Null(With((0x01, "h2"u8.ToArray())).Authority);
    }

    [Theory]
    [InlineData(new byte[] { 0x01, 0, 0, 0, 0 }, true)]
    [InlineData(new byte[] { 0x07, 0, 0, 0, 1, 0x21, 0, 0 }, true)]
    [InlineData(new byte[] { 0x06, 0, 0, 0, 0 }, false)]
    [InlineData(new byte[] { 0x01, 0, 0, 0 }, false)]
    [InlineData(new byte[0], false)]
    public void Is_secure_if_the_client_spoke_TLS_to_the_proxy(byte[] value, bool isSecure)
    {
        Assert.Equal(isSecure, With((0x20, value)).IsSecure);
        Assert.False(With((0x21, value)).IsSecure);
    }

    private static ProxyHeader With(params (byte Type, byte[] Value)[] values) =>
        new(2, false, null, null, [.. values.Select(value => new ProxyHeaderValue(value.Type, value.Value))]);
}
