using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Options;

public sealed class ListenAddressTests
{
    [Theory]
    [InlineData("http://localhost:8080", "127.0.0.1:8080", "Localhost", false)]
    [InlineData("HTTP://LocalHost:8080/", "127.0.0.1:8080", "Localhost", false)]
    [InlineData("ws://localhost:0", "127.0.0.1:0", "Localhost", false)]
    [InlineData("http://127.0.0.1:0", "127.0.0.1:0", "EndPoint", false)]
    [InlineData("http://0.0.0.0:65535", "0.0.0.0:65535", "EndPoint", false)]
    [InlineData("http://[::1]:8080", "[::1]:8080", "EndPoint", false)]
    [InlineData("http://[fe80::1%2]:8080", "[fe80::1%2]:8080", "EndPoint", false)]
    [InlineData("http://*:8080", "[::]:8080", "Everywhere", false)]
    [InlineData("http://+:8080", "[::]:8080", "Everywhere", false)]
    [InlineData("https://0.0.0.0:8443", "0.0.0.0:8443", "EndPoint", true)]
    [InlineData("wss://*:8443", "[::]:8443", "Everywhere", true)]
    public void A_text_names_where_to_listen(string text, string endPoint, string scope, bool isSecure)
    {
        ListenAddress address = ListenAddress.Parse(text);
        Assert.Equal(new ListenAddress(IPEndPoint.Parse(endPoint), Enum.Parse<ListenScope>(scope), isSecure, text), address);
        Assert.Null(ListenAddress.Validate(text));
    }

    [Theory]
    [InlineData("unix:/run/app.sock")]
    [InlineData("unix:///run/app.sock")]
    [InlineData("Unix:/run/app.sock")]
    [InlineData("http://unix:/run/app.sock")]
    public void A_path_names_a_Unix_domain_socket(string text)
    {
        ListenAddress address = ListenAddress.Parse(text);
        Assert.Equal("/run/app.sock", Assert.IsType<UnixDomainSocketEndPoint>(address.EndPoint).ToString());
        Assert.Null(ListenAddress.Validate(text));
    }

    [Theory]
    [InlineData(null, "an entry is empty")]
    [InlineData(" ", "an entry is empty")]
    [InlineData("localhost:8080", "has no scheme: write http:// in front")]
    [InlineData("8080", "has no scheme")]
    [InlineData("ftp://localhost:8080", "has a scheme that the server does not speak")]
    [InlineData("http://localhost", "names no port: write one behind the host, such as \"http://localhost:8080\"")]
    [InlineData("http://[::1]", "names no port")]
    [InlineData("http://localhost:", "has no possible port")]
    [InlineData("http://localhost:65536", "has no possible port")]
    [InlineData("http://localhost:-1", "has no possible port")]
    [InlineData("http://localhost:http", "has no possible port")]
    [InlineData("http://localhost:8080/chat", "has a path")]
    [InlineData("http://localhost:8080?a", "has a path")]
    [InlineData("http://me:secret@localhost:8080", "has user information")]
    [InlineData("http://:8080", "names no host")]
    [InlineData("http://", "names no host")]
    [InlineData("http://::1", "write \"http://[::1]:8080\"")]
    [InlineData("http://example.com:8080", "names a host that is no address")]
    [InlineData("http://127.1:8080", "names a host that is no address")]
    [InlineData("http://[127.0.0.1]:8080", "names a host that is no address")]
    [InlineData("http://[[::1]]:8080", "names a host that is no address")]
    [InlineData("http:// localhost:8080", "names a host that is no address")]
    [InlineData("unix:", "does not have the whole path")]
    [InlineData("unix:app.sock", "does not have the whole path")]
    [InlineData("unix://run/app.sock", "does not have the whole path")]
    [InlineData("http://unix:app.sock", "does not have the whole path")]
    public void Everything_else_is_refused_with_the_right_spelling(string? text, string why)
    {
        Assert.Contains(why, ListenAddress.Validate(text), StringComparison.Ordinal);
        Assert.False(ListenAddress.TryParse(text, out _, out _));
        Assert.Contains(why, Assert.Throws<ArgumentException>(() => new WebSocketServerOptions().Listen(text!)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_that_no_socket_can_have_is_refused() =>
        Assert.Contains("too long", ListenAddress.Validate("unix:/" + new string('x', 200)), StringComparison.Ordinal);
}
