using System.Collections.Concurrent;
using System.Security.Claims;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>What docs/authentication.md shows compiles and lets in whom it should.</summary>
public sealed class AuthenticationGuideTests
{
    private static readonly SymmetricSecurityKey Key = new("0123456789abcdef0123456789abcdef"u8.ToArray());
    private static readonly SymmetricSecurityKey ForeignKey = new("fedcba9876543210fedcba9876543210"u8.ToArray());

    private readonly AuthenticationGuide.JwtTokens _tokens = new(AuthenticationGuide.Expect(Key));

    [Fact]
    public void Each_block_of_code_is_code_of_these_tests() =>
        GuideCode.AssertIsIn("docs/authentication.md", 8, "tests/WebSocketServerKit.IntegrationTests/Docs/AuthenticationGuide.cs");

    [Fact]
    public async Task A_cookie_tells_the_session()
    {
        DateTimeOffset expiry = DateTimeOffset.UtcNow.AddHours(1);
        await using TestServer server = await TestServer.StartAsync(server => AuthenticationGuide.Cookie(server, new Sessions(expiry)));
        Assert.Equal(401, await AnswerAsync(server, "/"));
        Assert.Equal(401, await AnswerAsync(server, "/", "Cookie: session=other"));
        Assert.Equal(101, await AnswerAsync(server, "/", "Cookie: a=b; session=1"));
        WebSocketClient client = await server.NextClientAsync();
        Assert.Equal(("ann", expiry), (client.UserId, client.ExpiresAt));
    }

    [Fact]
    public async Task Pages_of_an_origin_on_the_list_may_connect_and_others_may_not()
    {
        await using TestServer server = await TestServer.StartAsync(configure: AuthenticationGuide.Origins);
        Assert.Equal(101, await AnswerAsync(server, "/", "Origin: https://www.example.com"));
        Assert.Equal(101, await AnswerAsync(server, "/"));
        Assert.Equal(403, await AnswerAsync(server, "/", "Origin: https://evil.example"));
    }

    [Fact]
    public async Task A_header_has_a_token_that_the_provider_has_signed_for_this_service_and_that_has_not_expired()
    {
        await using TestServer server = await TestServer.StartAsync(server => AuthenticationGuide.Header(server, _tokens));
        DateTime expiry = DateTime.UtcNow.AddHours(1);
        Assert.Equal(101, await AnswerAsync(server, "/", $"Authorization: Bearer {Issue(Key, expiry)}"));
        WebSocketClient client = await server.NextClientAsync();
        Assert.Equal("ann", client.UserId);
        Assert.Equal("ann", client.User!.FindFirst("sub")?.Value);
        Assert.Equal(new DateTimeOffset(expiry).ToUnixTimeSeconds(), client.ExpiresAt!.Value.ToUnixTimeSeconds());
        string[] refused =
        [
            Issue(ForeignKey, expiry), Issue(Key, DateTime.UtcNow.AddHours(-1)), Issue(Key, expiry, audience: "mail"), Issue(Key, expiry, issuer: "https://evil.example"), "x.y.z",
        ];
        foreach (string token in refused)
            Assert.Equal(401, await AnswerAsync(server, "/", $"Authorization: Bearer {token}"));
        Assert.Equal(401, await AnswerAsync(server, "/"));
    }

    [Fact]
    public async Task A_ticket_is_taken_once()
    {
        ConcurrentDictionary<string, AuthenticationGuide.Session> tickets = new(StringComparer.Ordinal)
        {
            ["t"] = new("ann", DateTimeOffset.UtcNow.AddHours(1)),
            ["old"] = new("ann", DateTimeOffset.UtcNow.AddHours(-1)),
        };
        await using TestServer server = await TestServer.StartAsync(server => AuthenticationGuide.Ticket(server, tickets, TimeProvider.System));
        Assert.Equal(101, await AnswerAsync(server, "/?ticket=t"));
        Assert.Equal(401, await AnswerAsync(server, "/?ticket=t"));
        Assert.Equal(401, await AnswerAsync(server, "/?ticket=old"));
        Assert.Equal(401, await AnswerAsync(server, "/"));
    }

    [Fact]
    public async Task A_token_is_offered_as_a_subprotocol_and_another_one_is_chosen()
    {
        await using TestServer server = await TestServer.StartAsync(configure: options => options.Subprotocols = ["chat.v1"], subscribe: server => AuthenticationGuide.Subprotocol(server, new(), _tokens));
        string token = Issue(Key, DateTime.UtcNow.AddHours(1));
        using System.Net.WebSockets.ClientWebSocket client = await server.ConnectWebSocketAsync(configure: options =>
        {
            options.AddSubProtocol("chat.v1");
            options.AddSubProtocol($"bearer.{token}");
        });
        Assert.Equal("chat.v1", client.SubProtocol);
        Assert.Equal(401, await AnswerAsync(server, "/", "Sec-WebSocket-Protocol: chat.v1"));
        Assert.Equal(401, await AnswerAsync(server, "/", $"Sec-WebSocket-Protocol: bearer.{token}"));
        Assert.Equal(401, await AnswerAsync(server, "/", "Sec-WebSocket-Protocol: chat.v1, bearer.x"));
        Assert.Equal(400, await AnswerAsync(server, "/", "Sec-WebSocket-Protocol: chat.v1, bearer.a/b="));
    }

    [Fact]
    public async Task The_first_message_is_a_token_and_who_sends_none_is_closed()
    {
        FakeTimeProvider clock = new();
        await using TestServer server = await TestServer.StartAsync(server => AuthenticationGuide.FirstMessage(server, _tokens, clock));
        (TestClient ann, _) = await server.ConnectAsync();
        await ann.SendAsync(Issue(Key, DateTime.UtcNow.AddHours(1)));
        Assert.Equal("welcome", await ann.ReadTextAsync());
        await ann.SendAsync("hello");
        Assert.Equal("ann: hello", await ann.ReadTextAsync());
        (TestClient stranger, _) = await server.ConnectAsync();
        await stranger.SendAsync("x.y.z");
        await stranger.AssertClosesAsync(1008, "the token is not valid");
        (TestClient silent, _) = await server.ConnectAsync();
        clock.Advance(TimeSpan.FromSeconds(10));
        await silent.AssertClosesAsync(1008, "sign in within 10 s");
        await ann.SendAsync("still here");
        Assert.Equal("ann: still here", await ann.ReadTextAsync());
        foreach (TestClient client in (ReadOnlySpan<TestClient>)[ann, stranger, silent])
            client.Dispose();
    }

    private static async Task<int> AnswerAsync(TestServer server, string target, params string[] headers)
    {
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(TestClient.Request(target, headers));
        return (await client.ReadAnswerAsync()).Status;
    }

    private static string Issue(SecurityKey key, DateTime expiry, string issuer = "https://login.example.com", string audience = "chat") =>
        new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = issuer,
            Audience = audience,
            Subject = new ClaimsIdentity([new Claim("sub", "ann")]),
            NotBefore = DateTime.UtcNow.AddDays(-1),
            IssuedAt = DateTime.UtcNow.AddDays(-1),
            Expires = expiry,
            SigningCredentials = new SigningCredentials(key, SecurityAlgorithms.HmacSha256),
        });

    private sealed class Sessions(DateTimeOffset expiry) : AuthenticationGuide.ISessions
    {
        public Task<AuthenticationGuide.Session?> FindAsync(string? id) => Task.FromResult(id == "1" ? new AuthenticationGuide.Session("ann", expiry) : null);
    }
}
