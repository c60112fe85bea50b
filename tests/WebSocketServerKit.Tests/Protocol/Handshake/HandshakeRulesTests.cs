namespace WebSocketServerKit.Protocol.Handshake;

public sealed class HandshakeRulesTests
{
    [Fact]
    public void Accepts_the_handshake_of_RFC_6455() => Assert.Equal(HandshakeViolation.None, Check(RequestHeads.Sample));

    [Theory]
    [InlineData("Upgrade", "Upgrade: WebSocket")]
    [InlineData("Upgrade", "Upgrade: h2c, websocket")]
    [InlineData("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket")]
    [InlineData("Connection", "Connection: keep-alive, Upgrade")]
    [InlineData("Connection", "Connection: keep-alive\r\nConnection: upgrade")]
    [InlineData("Connection", "connection: ,UPGRADE,")]
    [InlineData("Origin", "")]
    [InlineData("Sec-WebSocket-Protocol", "")]
    [InlineData("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol:")]
    [InlineData("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: chat, Chat")]
    [InlineData("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b")]
    [InlineData("Origin", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")]
    [InlineData("Origin", "Sec-WebSocket-Extensions:")]
    [InlineData("Sec-WebSocket-Key", "sec-websocket-key:   AAAAAAAAAAAAAAAAAAAAAA==  ")]
    public void Accepts_what_RFC_6455_allows(string name, string line) =>
        Assert.Equal(HandshakeViolation.None, Check(RequestHeads.SampleWith(name, line)));

    [Fact]
    public void Accepts_a_later_HTTP_1_version() =>
        Assert.Equal(HandshakeViolation.None, Check(RequestHeads.Sample.Replace("HTTP/1.1", "HTTP/1.2", StringComparison.Ordinal)));

    [Theory]
    [InlineData("Upgrade", "", nameof(HandshakeViolation.MissingUpgrade))]
    [InlineData("Upgrade", "Upgrade: websockets", nameof(HandshakeViolation.MissingUpgrade))]
    [InlineData("Connection", "", nameof(HandshakeViolation.MissingConnectionUpgrade))]
    [InlineData("Connection", "Connection: close", nameof(HandshakeViolation.MissingConnectionUpgrade))]
    [InlineData("Sec-WebSocket-Version", "", nameof(HandshakeViolation.UnsupportedWebSocketVersion))]
    [InlineData("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8", nameof(HandshakeViolation.UnsupportedWebSocketVersion))]
    [InlineData("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8", nameof(HandshakeViolation.UnsupportedWebSocketVersion))]
    [InlineData("Sec-WebSocket-Version", "Sec-WebSocket-Version: 013", nameof(HandshakeViolation.UnsupportedWebSocketVersion))]
    [InlineData("Sec-WebSocket-Key", "", nameof(HandshakeViolation.MissingKey))]
    [InlineData("Sec-WebSocket-Key", "Sec-WebSocket-Key:", nameof(HandshakeViolation.InvalidKey))]
    [InlineData("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", nameof(HandshakeViolation.InvalidKey))]
    [InlineData("Origin", "Sec-WebSocket-Extensions: a b", nameof(HandshakeViolation.InvalidExtensions))]
    [InlineData("Origin", "Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: b;", nameof(HandshakeViolation.InvalidExtensions))]
    [InlineData("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a b", nameof(HandshakeViolation.InvalidSubprotocol))]
    [InlineData("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a, \"b\"", nameof(HandshakeViolation.InvalidSubprotocol))]
    [InlineData("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a, b, a", nameof(HandshakeViolation.RepeatedSubprotocol))]
    public void Refuses_a_handshake_that_breaks_a_rule(string name, string line, string violation) =>
        Assert.Equal(violation, Check(RequestHeads.SampleWith(name, line)).ToString());

    [Fact]
    public void Refuses_a_WebSocket_over_HTTP_1_0() =>
        Assert.Equal(
            HandshakeViolation.WebSocketOverHttp10,
            Check(RequestHeads.Sample.Replace("HTTP/1.1", "HTTP/1.0", StringComparison.Ordinal)));

    [Theory]
    [InlineData("POST")]
    [InlineData("HEAD")]
    [InlineData("get")]
    public void Refuses_a_handshake_with_another_method_than_GET(string method) =>
        Assert.Equal(HandshakeViolation.MethodNotAllowed, Check(method + RequestHeads.Sample[3..]));

    [Theory]
    [InlineData("GET", "HTTP/1.1", nameof(HandshakeViolation.UpgradeRequired))]
    [InlineData("HEAD", "HTTP/1.1", nameof(HandshakeViolation.UpgradeRequired))]
    [InlineData("GET", "HTTP/1.0", nameof(HandshakeViolation.UpgradeRequired))]
    [InlineData("POST", "HTTP/1.1", nameof(HandshakeViolation.MethodNotAllowed))]
    [InlineData("OPTIONS", "HTTP/1.0", nameof(HandshakeViolation.MethodNotAllowed))]
    public void Tells_a_plain_request_that_this_is_a_WebSocket_server(string method, string version, string violation) =>
        Assert.Equal(violation, Check($"{method} / {version}\r\nHost: a\r\n\r\n").ToString());

    private static HandshakeViolation Check(string head) => HandshakeRules.Check(RequestHeads.Parse(head));
}
