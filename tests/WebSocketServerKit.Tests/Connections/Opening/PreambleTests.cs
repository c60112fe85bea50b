using System.Text;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Opening;

public sealed class PreambleTests : LifetimeTest
{
    private const string Header = "PROXY TCP4 198.51.100.22 203.0.113.7 35646 80\r\n";

    [Fact]
    public async Task The_header_of_a_proxy_tells_the_client_and_the_request_follows()
    {
        Connection.ExpectProxyHeader();
        _stage.Start();
        Transport.Receive(Header + RequestHeads.Handshake);
        Assert.StartsWith("HTTP/1.1 101 ", await AnswerAsync(), StringComparison.Ordinal);
        await Connection.Called("Connected");
        Assert.Contains("located 198.51.100.22:35646", Connection.Calls, StringComparer.Ordinal);
        Assert.Equal(("198.51.100.22:35646", "203.0.113.7:80"), (Connection.RemoteEndPoint.ToString(), Connection.LocalEndPoint.ToString()));
        Assert.Equal(("203.0.113.7:50000", "192.0.2.1:8080"), (Connection.Proxy!.RemoteEndPoint.ToString(), Connection.Proxy.LocalEndPoint.ToString()));
        Assert.Equal(1, Connection.Proxy.Header!.Version);
    }

    [Fact]
    public async Task A_header_may_come_byte_by_byte()
    {
        Connection.ExpectProxyHeader();
        _stage.Start();
        foreach (byte octet in Encoding.ASCII.GetBytes(Header + RequestHeads.Handshake))
        {
            Transport.Receive([octet]);
            await Transport.WhenIdle;
        }

        Assert.StartsWith("HTTP/1.1 101 ", await AnswerAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_is_the_proxy_s_own_is_served_too()
    {
        Connection.ExpectProxyHeader();
        _stage.Start();
        Transport.Receive("PROXY UNKNOWN\r\n" + RequestHeads.Handshake);
        Assert.StartsWith("HTTP/1.1 101 ", await AnswerAsync(), StringComparison.Ordinal);
        Assert.Equal("203.0.113.7:50000", Connection.RemoteEndPoint.ToString());
    }

    [Theory]
    [InlineData(RequestHeads.Handshake)]
    [InlineData("PROXY nonsense\r\n")]
    public async Task Without_a_header_the_connection_ends_without_an_answer(string sent)
    {
        Connection.ExpectProxyHeader();
        _stage.Start();
        Transport.Receive(sent);
        await Transport.WhenShutDown.InTime();
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Empty(Transport.Writes);
        Assert.Contains(Connection.Calls, call => call.StartsWith("proxy refused: ", StringComparison.Ordinal));
        Assert.Contains("HandshakeEnded", Connection.Calls, StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_peer_that_is_not_trusted_is_refused_before_it_speaks()
    {
        Connection.ExpectProxyHeader(fromTrustedProxy: false);
        _stage.Start();
        await Transport.WhenShutDown.InTime();
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        AssertCalls("proxy refused: it does not come from one of the TrustedProxies", "HandshakeEnded", "Released");
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("PROXY TCP4 198.51", true)]
    public async Task A_connection_that_ends_before_its_header_is_told_only_if_it_has_begun(string sent, bool told)
    {
        Connection.ExpectProxyHeader();
        _stage.Start();
        if (sent is not "")
            Transport.Receive(sent);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Equal(told, Connection.Calls.Any(call => call.StartsWith("proxy refused", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_header_that_does_not_come_in_time_is_answered_with_408()
    {
        Connection.ExpectProxyHeader();
        _stage.Start();
        Transport.Receive("PROXY ");
        await Transport.WhenIdle;
        _stage.Beats(11);
        Assert.StartsWith("HTTP/1.1 408 ", await AnswerAsync(), StringComparison.Ordinal);
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
    }
}
