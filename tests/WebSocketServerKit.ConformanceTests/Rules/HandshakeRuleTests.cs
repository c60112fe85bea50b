using System.Net;
using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Conformance.Rules;

/// <summary>RFC 6455 4.2.2: the parts of the answer that the host decides.</summary>
public class HandshakeRuleTests
{
    [Fact]
    public async Task Answers_a_path_that_the_host_does_not_have_with_404()
    {
        await using RuleServer server = await RuleServer.StartAsync(server => server.Handshaking += (_, e) =>
            e.Refuse(HttpStatusCode.NotFound, "There is no room 7.\n"));
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request("/rooms/7"));
        HttpAnswer answer = await client.ReadAnswerAsync();
        Assert.Equal(("HTTP/1.1 404 Not Found", "There is no room 7.\n"), (answer.StatusLine, answer.Body));
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
    }

    [Fact]
    public async Task Answers_with_401_and_a_challenge_when_the_host_asks_who_it_is()
    {
        await using RuleServer server = await RuleServer.StartAsync(server => server.Handshaking += (_, e) =>
            e.Refuse(HttpStatusCode.Unauthorized, headers: [new("WWW-Authenticate", "Basic realm=\"chat\"")]));
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request());
        HttpAnswer answer = await client.ReadAnswerAsync();
        Assert.Equal("HTTP/1.1 401 Unauthorized", answer.StatusLine);
        Assert.Equal(["Basic realm=\"chat\""], answer["WWW-Authenticate"]);
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
    }

    [Fact]
    public async Task Sends_the_subprotocol_that_the_host_picked_among_those_that_the_client_offered()
    {
        await using RuleServer server = await RuleServer.StartAsync(server => server.Handshaking += (_, e) => e.Subprotocol = "b");
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request("/", "Sec-WebSocket-Protocol: a, b"));
        Assert.Equal(["b"], (await client.ReadAcceptanceAsync())["Sec-WebSocket-Protocol"]);
    }

    [Fact]
    public async Task Never_sends_a_subprotocol_that_the_client_did_not_offer()
    {
        await using RuleServer server = await RuleServer.StartAsync(server => server.Handshaking += (_, e) =>
            Assert.Throws<ArgumentException>(() => e.Subprotocol = "c"));
        await using RawClient client = await server.ConnectAsync();
        await client.WriteAsync(RawClient.Request("/", "Sec-WebSocket-Protocol: a, b"));
        Assert.Empty((await client.ReadAcceptanceAsync())["Sec-WebSocket-Protocol"]);
    }
}
