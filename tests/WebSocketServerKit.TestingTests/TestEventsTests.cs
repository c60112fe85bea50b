using System.Net;
using System.Security.Claims;
using System.Text.Json;

namespace WebSocketServerKit.Testing;

/// <summary>One handler is called with arguments that a test has made, and does what it does for the real ones.</summary>
public partial class TestEventsTests
{
    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_handler_of_messages_is_called_and_what_it_sends_is_received()
    {
        await using TestClient client = await TestClient.StandAloneAsync("/rooms/7?name=ann");
        await Shout(client.ServerSide, TestEvents.MessageReceived(client.ServerSide, "hello"));
        await client.ExpectTextAsync("HELLO from /rooms/7");
        await Shout(client.ServerSide, TestEvents.MessageReceived(client.ServerSide, new byte[] { 1, 2, 3 }));
        await client.ExpectTextAsync("3 bytes");

        static async Task Shout(WebSocketClient client, MessageReceivedEventArgs e)
        {
            await Task.Yield();
            await client.SendAsync(e.IsText ? $"{e.Text.ToUpperInvariant()} from {client.Path}" : $"{e.PayloadMemory.Length} bytes");
        }
    }

    [Fact]
    public async Task A_made_message_is_forwarded_and_read_as_json_like_a_real_one()
    {
        await using TestClient client = await TestClient.StandAloneAsync();
        MessageReceivedEventArgs e = TestEvents.MessageReceived(client.ServerSide, """{"name":"ann"}""");
        Assert.Equal("ann", e.ReadJson(PersonContext.Default.Person).Name);
        await e.Client.SendAsync(e, cancellationToken: Ended);
        await client.ExpectJsonAsync("""{"name":"ann"}""");
        e.ContinueReceiving();
        Assert.Equal("""{"name":"ann"}""", e.Text);
        Assert.ThrowsAny<JsonException>(() => TestEvents.MessageReceived(client.ServerSide, "{").ReadJson(PersonContext.Default.Person));
        byte[] bytes = [1];
        MessageReceivedEventArgs copied = TestEvents.MessageReceived(client.ServerSide, bytes);
        bytes[0] = 2;
        Assert.Equal([1], copied.ToArray());
    }

    [Theory]
    [InlineData("/a%20b%25?x=1")]
    [InlineData("/caf%C3%A9/%F0%9F%98%80?x=1")]
    [InlineData("/what%3F/no%231/half%2Fway?x=1")]
    public async Task A_connected_client_has_the_request_that_it_was_made_with(string target)
    {
        await using TestClient client = await TestClient.StandAloneAsync(target);
        ClientConnectedEventArgs e = TestEvents.ClientConnected(client.ServerSide, options => options.AddHeader("Cookie", "session=7"));
        Assert.Same(client.ServerSide, e.Client);
        Assert.Equal((client.ServerSide.Path, "1", "7"), (e.Request.Path, e.Request.Query["x"], e.Request.Cookies["session"]));
        e.ContinueReceiving();
    }

    [Theory]
    [InlineData(DisconnectCause.Closed, 1000, ConnectionSide.Client, true)]
    [InlineData(DisconnectCause.ConnectionLost, 1006, ConnectionSide.Client, false)]
    [InlineData(DisconnectCause.PingTimeout, 1006, ConnectionSide.Server, false)]
    [InlineData(DisconnectCause.ServerStopping, 1001, ConnectionSide.Server, true)]
    [InlineData(DisconnectCause.HandlerFailed, 1011, ConnectionSide.Server, true)]
    [InlineData(DisconnectCause.ProtocolViolation, 1002, ConnectionSide.Server, true)]
    [InlineData(DisconnectCause.LimitExceeded, 1009, ConnectionSide.Server, true)]
    [InlineData(DisconnectCause.MemoryBudgetExceeded, 1013, ConnectionSide.Server, true)]
    [InlineData(DisconnectCause.Expired, 1008, ConnectionSide.Server, true)]
    public async Task A_client_has_left_for_a_cause_with_what_goes_with_it(DisconnectCause cause, int code, ConnectionSide side, bool clean)
    {
        await using TestClient client = await TestClient.StandAloneAsync();
        ClientDisconnectedEventArgs e = TestEvents.ClientDisconnected(client.ServerSide, cause);
        Assert.Equal((cause, (CloseCode)code, "", side, clean, null), (e.Cause, e.CloseCode, e.CloseReason, e.ClosedBy, e.WasClean, e.Exception));
    }

    [Fact]
    public async Task What_goes_with_a_cause_can_be_set()
    {
        await using TestClient client = await TestClient.StandAloneAsync();
        IOException lost = new("lost");
        ClientDisconnectedEventArgs e = TestEvents.ClientDisconnected(client.ServerSide, DisconnectCause.Closed, 4000, "bye", ConnectionSide.Server, lost);
        Assert.Equal(((CloseCode)4000, "bye", ConnectionSide.Server), (e.CloseCode, e.CloseReason, e.ClosedBy));
        Assert.Same(lost, e.Exception);
        Assert.Same(client.ServerSide, e.Client);
        Assert.Empty(e.Groups);
    }

    [Fact]
    public void A_handler_of_handshakes_refuses_or_accepts_what_it_is_asked()
    {
        ClaimsPrincipal user = new();
        HandshakingEventArgs refused = TestEvents.Handshaking("/admin?token=x", options =>
        {
            options.AddHeader("Origin", "https://app.example.com");
            options.RemoteEndPoint = IPEndPoint.Parse("192.0.2.1:5000");
            options.Subprotocols.Add("v1");
            options.User = user;
        });
        Assert.Equal(("/admin", "x", "https://app.example.com", "192.0.2.1:5000"), (refused.Request.Path, refused.Request.Query["token"], refused.Request.Origin, refused.RemoteEndPoint.ToString()));
        Assert.Same(user, refused.User);
        Assert.Null(TestEvents.RefusalOf(refused));
        refused.Refuse(HttpStatusCode.Unauthorized, "Sign in.", headers: [new("WWW-Authenticate", "Bearer")]);
        TestResponse answer = TestEvents.RefusalOf(refused)!;
        Assert.Equal((HttpStatusCode.Unauthorized, "Unauthorized", "Sign in.", "Bearer"), (answer.Status, answer.ReasonPhrase, answer.Body, answer["www-authenticate"]));

        HandshakingEventArgs accepted = TestEvents.Handshaking(configure: options => options.Subprotocols.Add("v1"));
        accepted.Subprotocol = "v1";
        accepted.UserId = "ann";
        accepted.AddResponseHeader("Set-Cookie", "a=b");
        Assert.Equal([new("Set-Cookie", "a=b")], TestEvents.ResponseHeadersOf(accepted));
        Assert.Empty(TestEvents.ResponseHeadersOf(refused));
        Assert.False(accepted.IsRefused);
    }

    [Fact]
    public void A_handler_of_handshakes_has_the_values_of_its_path()
    {
        using WebSocketServer server = new(new WebSocketServerOptions());
        WebSocketPath rooms = server.Path("/rooms/{room}");
        HandshakingEventArgs e = TestEvents.Handshaking("/rooms/7", server: server);
        Assert.Same(rooms, e.MatchedPath);
        Assert.Equal("7", e.PathValues["room"]);
        Assert.Null(TestEvents.Handshaking("/other", server: server).MatchedPath);
    }

    [Fact]
    public void A_handler_of_requests_answers_what_it_is_asked()
    {
        HttpRequestReceivedEventArgs e = TestEvents.HttpRequestReceived("/health?full=1", options => options.AddHeader("Accept", "text/plain"));
        Assert.Equal(("GET", "/health", "text/plain", "localhost", null), (e.Request.Method, e.Request.Path, e.Request.Headers["Accept"], e.Request.Host, e.Request.Headers["Upgrade"]));
        Assert.Null(TestEvents.AnswerOf(e));
        e.Respond(HttpStatusCode.OK, "well");
        Assert.Equal((HttpStatusCode.OK, "well"), (TestEvents.AnswerOf(e)!.Status, TestEvents.AnswerOf(e)!.Body));
    }

    [Fact]
    public async Task The_other_events_are_made_too()
    {
        await using TestClient client = await TestClient.StandAloneAsync();
        Assert.Equal((client.ServerSide, DateTimeOffset.UnixEpoch), (TestEvents.ClientExpiring(client.ServerSide, DateTimeOffset.UnixEpoch).Client, TestEvents.ClientExpiring(client.ServerSide, DateTimeOffset.UnixEpoch).ExpiresAt));
        Assert.Equal(RateLimitReaction.Drop, TestEvents.ClientOverRate(client.ServerSide, RateLimitReaction.Drop).Reaction);
        Assert.True(TestEvents.ClientSlow(client.ServerSide, isSlow: true).IsSlow);
    }

    [Fact]
    public void A_request_that_the_server_would_not_accept_is_told()
    {
        Assert.Contains("would not accept", Assert.Throws<ArgumentException>(() => TestEvents.Handshaking("/a", options => options.AddHeader("X Y", "z"))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => TestEvents.Handshaking("a"));
    }

    internal sealed record Person(string Name);

    [System.Text.Json.Serialization.JsonSerializable(typeof(Person))]
    [System.Text.Json.Serialization.JsonSourceGenerationOptions(PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.CamelCase)]
    internal sealed partial class PersonContext : System.Text.Json.Serialization.JsonSerializerContext;
}
