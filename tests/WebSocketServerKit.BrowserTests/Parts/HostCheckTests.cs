using Dashboard.Control;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class HostCheckTests
{
    [Theory]
    [InlineData("localhost")]
    [InlineData("LocalHost:8090")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:8090")]
    [InlineData("192.168.1.20:8090")]
    [InlineData("[::1]")]
    [InlineData("[::1]:8090")]
    public void Addresses_and_localhost_are_accepted(string host) => Assert.True(HostCheck.Accepts(host));

    [Theory]
    [InlineData("")]
    [InlineData(":8090")]
    [InlineData("example.com")]
    [InlineData("localhost.example.com:8090")]
    [InlineData("localhost.")]
    [InlineData("127.0.0.1.example.com")]
    [InlineData("127.1")]
    [InlineData("2130706433")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("[::1].example.com")]
    [InlineData("[127.0.0.1]")]
    [InlineData("::1")]
    public void Names_are_not(string host) => Assert.False(HostCheck.Accepts(host));
}
