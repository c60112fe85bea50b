using System.Net;
using static WebSocketServerKit.Protocol.Handshake.HandshakeViolation;

namespace WebSocketServerKit.Protocol.Handshake;

public sealed class AccessRulesTests
{
    private static readonly IPAddress Lan = IPAddress.Parse("192.168.1.10");

    private static HandshakeRequest Handshake(string host, string? origin) => RequestHeads.Parse(
        $"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n{(origin is null ? "" : $"Origin: {origin}\r\n")}\r\n");

    private static HandshakeRequest Plain(string host) => RequestHeads.Parse($"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");

    private static AccessRules Rules(string[]? hosts = null, string[]? origins = null) => new(new HostRules(hosts ?? []), new OriginRules(origins ?? []));

    [Fact]
    public void A_page_that_was_rebound_to_a_loopback_address_gets_neither_a_WebSocket_nor_an_answer()
    {
        Assert.Equal(HostNotAllowed, Rules().Check(Handshake("evil.test:8080", "http://evil.test:8080"), IPAddress.Loopback));
        Assert.Equal(HostNotAllowed, Rules().Check(Plain("evil.test:8080"), IPAddress.Loopback));
    }

    [Fact]
    public void A_page_of_this_machine_is_let_in()
    {
        foreach (string host in (string[])["localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
        {
            Assert.Equal(None, Rules().Check(Handshake(host, $"http://{host}"), IPAddress.Loopback));
            Assert.Equal(None, Rules().Check(Plain(host), IPAddress.Loopback));
        }
    }

    [Fact]
    public void What_is_no_browser_may_name_any_host()
    {
        Assert.Equal(None, Rules().Check(Handshake("proxy.example", origin: null), IPAddress.Loopback));
        Assert.Equal(None, Rules().Check(Handshake("", origin: null), IPAddress.Loopback));
        Assert.Equal(None, Rules().Check(Plain(""), IPAddress.Loopback));
    }

    [Fact]
    public void A_page_without_a_host_is_of_no_host() =>
        Assert.Equal(OriginNotAllowed, Rules().Check(Handshake("", "http://localhost"), IPAddress.Loopback));

    [Fact]
    public void A_foreign_page_is_refused_for_its_origin_whatever_host_it_names()
    {
        Assert.Equal(OriginNotAllowed, Rules().Check(Handshake("localhost", "http://evil.test"), IPAddress.Loopback));
        Assert.Equal(OriginNotAllowed, Rules().Check(Handshake("other.test", "http://evil.test"), IPAddress.Loopback));
        Assert.Equal(OriginNotAllowed, Rules().Check(Handshake("chat.example", "http://evil.test"), Lan));
    }

    [Fact]
    public void An_origin_that_is_allowed_is_let_in_whatever_host_it_names()
    {
        AccessRules rules = Rules(origins: ["https://app.example"]);
        Assert.Equal(None, rules.Check(Handshake("chat.example", "https://app.example"), IPAddress.Loopback));
        Assert.Equal(None, Rules(origins: ["*"]).Check(Handshake("evil.test", "http://evil.test"), IPAddress.Loopback));
    }

    [Fact]
    public void On_another_address_the_server_answers_for_every_host()
    {
        Assert.Equal(None, Rules().Check(Handshake("chat.example", "https://chat.example"), Lan));
        Assert.Equal(None, Rules().Check(Plain("chat.example"), Lan));
    }

    [Fact]
    public void The_host_that_a_proxy_on_this_machine_passes_on_is_let_in_once_it_is_listed()
    {
        Assert.Equal(HostNotAllowed, Rules().Check(Handshake("chat.example", "https://chat.example"), IPAddress.Loopback));
        Assert.Equal(None, Rules(["chat.example"]).Check(Handshake("chat.example", "https://chat.example"), IPAddress.Loopback));
        Assert.Equal(None, Rules(["chat.example"]).Check(Plain("chat.example"), IPAddress.Loopback));
    }

    [Fact]
    public void A_list_of_hosts_holds_for_every_request_on_every_address()
    {
        AccessRules rules = Rules(["chat.example"], ["https://app.example"]);
        foreach (IPAddress address in (IPAddress[])[IPAddress.Loopback, Lan])
        {
            Assert.Equal(HostNotAllowed, rules.Check(Handshake("other.example", origin: null), address));
            Assert.Equal(HostNotAllowed, rules.Check(Handshake("other.example", "https://app.example"), address));
            Assert.Equal(HostNotAllowed, rules.Check(Handshake("localhost", "http://localhost"), address));
            Assert.Equal(HostNotAllowed, rules.Check(Plain(""), address));
            Assert.Equal(OriginNotAllowed, rules.Check(Handshake("chat.example", "http://evil.test"), address));
            Assert.Equal(None, rules.Check(Handshake("chat.example", origin: null), address));
            Assert.Equal(None, rules.Check(Handshake("chat.example", "https://app.example"), address));
        }
    }

    [Fact]
    public void A_target_in_absolute_form_names_the_host() =>
        Assert.Equal(HostNotAllowed, Rules().Check(RequestHeads.Parse("GET http://evil.test/ HTTP/1.1\r\nHost: localhost\r\n\r\n"), IPAddress.Loopback));

    [Fact]
    public void Other_rules_about_origins_leave_those_about_hosts()
    {
        AccessRules rules = Rules(hosts: ["chat.example"], origins: ["https://one.example"]).WithOrigins(new OriginRules(["https://two.example"]));
        Assert.Equal(None, rules.Check(Handshake("chat.example", "https://two.example"), Lan));
        Assert.Equal(OriginNotAllowed, rules.Check(Handshake("chat.example", "https://one.example"), Lan));
        Assert.Equal(HostNotAllowed, rules.Check(Handshake("other.example", "https://two.example"), Lan));
    }
}
