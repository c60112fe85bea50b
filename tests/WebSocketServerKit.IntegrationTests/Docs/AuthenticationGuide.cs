using System.Collections.Concurrent;
using System.Net;
using System.Security.Claims;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace WebSocketServerKit.Docs;

/// <summary>The C# of docs/authentication.md, as it stands there.</summary>
internal static class AuthenticationGuide
{
    public interface ISessions
    {
        Task<Session?> FindAsync(string? id);
    }

    public sealed record Session(string UserId, DateTimeOffset ExpiresAt);

    public sealed record Token(ClaimsPrincipal Principal, string? Subject, DateTimeOffset ExpiresAt);

    internal sealed class JwtTokens(TokenValidationParameters expected)
    {
        private readonly JsonWebTokenHandler _handler = new();

        public async Task<Token?> ValidateAsync(string? text)
        {
            TokenValidationResult result = await _handler.ValidateTokenAsync(text, expected);
            return result.IsValid
                ? new Token(new ClaimsPrincipal(result.ClaimsIdentity), result.ClaimsIdentity.FindFirst("sub")?.Value, new DateTimeOffset(result.SecurityToken.ValidTo))
                : null;
        }
    }

    public static TokenValidationParameters Expect(SecurityKey key)
    {
        TokenValidationParameters expected = new()
        {
            ValidIssuer = "https://login.example.com",
            ValidAudience = "chat",
            IssuerSigningKey = key,               // or IssuerSigningKeys, of the provider's key document
            ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
            ClockSkew = TimeSpan.FromSeconds(30), // 5 minutes by default
        };
        return expected;
    }

    public static void Origins(WebSocketServerOptions options)
    {
        options.AllowedOrigins = ["https://www.example.com"];
    }

    public static void Cookie(WebSocketServer server, ISessions sessions)
    {
        server.OnHandshaking(async e =>
        {
            Session? session = await sessions.FindAsync(e.Request.Cookies["session"]);
            if (session is null)
            {
                e.Refuse(HttpStatusCode.Unauthorized, "Sign in first.\n");
                return;
            }

            e.UserId = session.UserId;
            e.ExpiresAt = session.ExpiresAt;
            e.State = session;
        });
    }

    public static void Header(WebSocketServer server, JwtTokens tokens)
    {
        server.OnHandshaking(async e =>
        {
            const string Scheme = "Bearer ";
            string? header = e.Request.Headers["Authorization"];
            Token? token = header?.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) == true ? await tokens.ValidateAsync(header[Scheme.Length..]) : null;
            if (token is null)
                e.Refuse(HttpStatusCode.Unauthorized, "The token is missing, invalid or expired.\n", headers: [new("WWW-Authenticate", "Bearer")]);
            else
                (e.User, e.UserId, e.ExpiresAt) = (token.Principal, token.Subject, token.ExpiresAt);
        });
    }

    public static void Ticket(WebSocketServer server, ConcurrentDictionary<string, Session> tickets, TimeProvider clock)
    {
        server.Handshaking += (_, e) =>
        {
            if (e.Request.Query["ticket"] is { } ticket && tickets.TryRemove(ticket, out Session? session) && session.ExpiresAt > clock.GetUtcNow())
                (e.UserId, e.ExpiresAt) = (session.UserId, session.ExpiresAt);
            else
                e.Refuse(HttpStatusCode.Unauthorized, "Ask for a new ticket.\n");
        };
    }

    public static void Subprotocol(WebSocketServer server, WebSocketServerOptions options, JwtTokens tokens)
    {
        options.Subprotocols = ["chat.v1"];
        server.OnHandshaking(async e =>
        {
            const string Prefix = "bearer.";
            string? offered = e.Request.RequestedSubprotocols.FirstOrDefault(name => name.StartsWith(Prefix, StringComparison.Ordinal));
            if (offered is null || e.Subprotocol is null || await tokens.ValidateAsync(offered[Prefix.Length..]) is not { } token)
                e.Refuse(HttpStatusCode.Unauthorized);
            else
                (e.User, e.UserId, e.ExpiresAt) = (token.Principal, token.Subject, token.ExpiresAt);
        });
    }

    public static void FirstMessage(WebSocketServer server, JwtTokens tokens, TimeProvider clock)
    {
        server.OnConnected(async (client, e) =>
        {
            e.ContinueReceiving(); // its first message comes while this handler waits
            await Task.Delay(TimeSpan.FromSeconds(10), clock, client.ConnectionClosed);
            if (client.State is null)
                await client.CloseAsync(CloseCode.PolicyViolation, "sign in within 10 s");
        });
        server.OnMessage(async (client, message) =>
        {
            if (client.State is Token known)
            {
                server.Clients.Broadcast($"{known.Subject}: {message.Text}");
                return;
            }

            client.State = await tokens.ValidateAsync(message.Text);
            if (client.State is null)
                await client.CloseAsync(CloseCode.PolicyViolation, "the token is not valid");
            else
                await client.SendAsync("welcome");
        });
    }
}
