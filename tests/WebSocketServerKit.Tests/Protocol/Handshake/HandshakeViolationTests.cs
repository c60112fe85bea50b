using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

public sealed class HandshakeViolationTests
{
    private static readonly HandshakeViolation[] Broken = [.. Enum.GetValues<HandshakeViolation>().Except([HandshakeViolation.None])];

    [Fact]
    public void Has_an_error_status_for_each_rule() =>
        Assert.All(Broken, violation => Assert.InRange((int)violation.Answer().Status, 400, 505));

    [Fact]
    public void Tells_each_rule_in_its_own_words_as_one_line_of_ASCII_text()
    {
        string[] bodies = [.. Broken.Select(violation => violation.Answer().Body)];
        Assert.All(bodies, body => Assert.Matches("^[A-Z][ -~]+[.)]\n\\z", body));
        Assert.Equal(bodies.Length, bodies.Distinct(StringComparer.Ordinal).Count());
    }

    [Theory]
    [InlineData(nameof(HandshakeViolation.TlsOnPlainPort), 400)]
    [InlineData(nameof(HandshakeViolation.UnexpectedProxyHeader), 400)]
    [InlineData(nameof(HandshakeViolation.MethodTooLong), 501)]
    [InlineData(nameof(HandshakeViolation.TargetTooLong), 414)]
    [InlineData(nameof(HandshakeViolation.UnsupportedHttpVersion), 505)]
    [InlineData(nameof(HandshakeViolation.HeadTooLarge), 431)]
    [InlineData(nameof(HandshakeViolation.TooManyHeaderLines), 431)]
    [InlineData(nameof(HandshakeViolation.BodyNotAccepted), 413)]
    [InlineData(nameof(HandshakeViolation.UpgradeRequired), 426)]
    [InlineData(nameof(HandshakeViolation.MethodNotAllowed), 405)]
    [InlineData(nameof(HandshakeViolation.WebSocketOverHttp10), 505)]
    [InlineData(nameof(HandshakeViolation.MissingUpgrade), 426)]
    [InlineData(nameof(HandshakeViolation.UnsupportedWebSocketVersion), 426)]
    [InlineData(nameof(HandshakeViolation.OriginNotAllowed), 403)]
    [InlineData(nameof(HandshakeViolation.HostNotAllowed), 421)]
    [InlineData(nameof(HandshakeViolation.UnknownPath), 404)]
    public void Has_the_status_that_the_RFCs_name(string violation, int status) =>
        Assert.Equal((HttpStatusCode)status, Enum.Parse<HandshakeViolation>(violation).Answer().Status);

    [Fact]
    public void Answers_the_other_rules_with_400()
    {
        HttpStatusCode[] others = [.. Broken.Select(violation => violation.Answer().Status).Where(status => status < (HttpStatusCode)403)];
        Assert.Equal(Broken.Length - 14, others.Length);
        Assert.All(others, status => Assert.Equal(HttpStatusCode.BadRequest, status));
    }

    [Fact]
    public void Has_the_headers_that_the_RFCs_ask_for()
    {
        Assert.Equal(new("Allow", "GET"), HandshakeViolation.MethodNotAllowed.Answer().Header);
        Assert.Equal(new("Sec-WebSocket-Version", "13"), HandshakeViolation.UnsupportedWebSocketVersion.Answer().Header);
        Assert.Null(HandshakeViolation.InvalidKey.Answer().Header);
    }

    [Fact]
    public void Has_no_answer_when_no_rule_is_broken() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => HandshakeViolation.None.Answer());
}
