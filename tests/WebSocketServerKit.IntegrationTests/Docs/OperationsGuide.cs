using System.Net;
using System.Security.Claims;

namespace WebSocketServerKit.Docs;

/// <summary>The C# of docs/operations.md and docs/identity.md, so that it compiles.</summary>
internal static class OperationsGuide
{
    public interface ITokens
    {
        Task<Token?> ValidateAsync(string? text);

        Task<Token?> TryRenewAsync(string text);
    }

    public sealed record Token(ClaimsPrincipal Principal, string Subject, DateTimeOffset ExpiresAt);

    public static async Task<StopResult> StopAsync(WebSocketServer server, CancellationToken cancellationToken)
    {
        StopResult result = await server.StopAsync(
            new StopOptions
            {
                ReadinessDelay = TimeSpan.FromSeconds(10), // the load balancer notices that IsReady is false
                Spread = TimeSpan.FromSeconds(30),         // the clients are closed over this time
                Code = CloseCode.ServiceRestart,           // 1012; 1001 by default
                Reason = "update",
                RetryAfter = TimeSpan.FromSeconds(20),     // "update; retry after 27 s"
            },
            cancellationToken);
        foreach (CutClient cut in result.Cut)
            Console.WriteLine($"{cut.Client} did not leave cleanly: {cut.Why}");
        return result;
    }

    public static void Readiness(WebSocketServer server)
    {
        server.HttpRequestReceived += (_, e) =>
        {
            if (e.Request.Path == "/ready")
                e.Respond(server.IsReady ? HttpStatusCode.OK : HttpStatusCode.ServiceUnavailable, server.IsReady ? "ready" : "stopping");
        };
    }

    public static void Users(WebSocketServer server, ITokens tokens)
    {
        server.OnHandshaking(async e =>
        {
            Token? token = await tokens.ValidateAsync(e.Request.Query["token"]);
            if (token is null)
            {
                e.Refuse(HttpStatusCode.Unauthorized);
                return;
            }

            e.User = token.Principal;
            e.UserId = token.Subject; // without it: the claims NameIdentifier or sub, or the name
            e.ExpiresAt = token.ExpiresAt;
        });
    }

    public static void Renew(WebSocketServer server, ITokens tokens)
    {
        server.OnExpiring(async (client, e) => await client.SendAsync("""{"type":"renew"}"""));
        server.OnMessage(async (client, message) =>
        {
            if (await tokens.TryRenewAsync(message.Text) is { } renewed && renewed.Subject == client.UserId)
                client.ExpiresAt = renewed.ExpiresAt;
        });
    }

    public static async Task SignOutAsync(WebSocketServer server, string userId)
    {
        await server.Clients.WithUser(userId).CloseAsync(CloseCode.PolicyViolation, "signed out");
    }

    public static void Limit(WebSocketServerOptions options, WebSocketServer server)
    {
        options.MaxMessagesPerSecond = 50;
        options.OverRate = RateLimitReaction.Drop;
        server.Path("/telemetry").Handshaking += (_, e) => e.Options.OverRate = RateLimitReaction.ReadSlower;
        server.ClientOverRate += (_, e) => Console.WriteLine($"{e.Client} sends too much: {e.Reaction}");
    }
}
