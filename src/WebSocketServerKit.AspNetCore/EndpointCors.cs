using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace WebSocketServerKit;

/// <summary>What the endpoint's CORS policy says about the origin of a request.</summary>
internal enum OriginDecision
{
    /// <summary>Nothing: the server's own rules decide.</summary>
    None,

    /// <summary>The page may connect.</summary>
    Allowed,

    /// <summary>The page may not.</summary>
    Refused,
}

/// <summary>
/// Applies the CORS policy of an endpoint to a WebSocket handshake. The middleware does not: for a WebSocket a browser asks nobody, so the server has to check the origin (RFC 6455 10.2).
/// </summary>
internal static class EndpointCors
{
    /// <exception cref="InvalidOperationException">The endpoint names a policy that the program has not registered.</exception>
    public static async ValueTask<OriginDecision> DecideAsync(HttpContext context)
    {
        string? origin = context.Request.Headers.Origin;
        if (string.IsNullOrEmpty(origin) || context.GetEndpoint()?.Metadata.GetMetadata<ICorsMetadata>() is not { } metadata || !IsHandshake(context))
            return OriginDecision.None;
        CorsPolicy? policy = await PolicyOfAsync(context, metadata).ConfigureAwait(false);
        if (policy is not null && (policy.AllowAnyOrigin || policy.IsOriginAllowed(origin)))
            return OriginDecision.Allowed;
        // CORS is about foreign origins. Whether the host is the server's own is for its rules to say.
        return IsSameOrigin(origin, context.Request) ? OriginDecision.None : OriginDecision.Refused;
    }

    // Null if the endpoint allows no foreign origin.
    private static async ValueTask<CorsPolicy?> PolicyOfAsync(HttpContext context, ICorsMetadata metadata)
    {
        switch (metadata)
        {
            case ICorsPolicyMetadata { Policy: { } policy }:
                return policy;
            case IEnableCorsAttribute { PolicyName: var name }:
                ICorsPolicyProvider provider = context.RequestServices.GetService<ICorsPolicyProvider>()
                    ?? throw new InvalidOperationException("The endpoint has a CORS policy, but the services for CORS are missing: call builder.Services.AddCors.");
                return await provider.GetPolicyAsync(context, name).ConfigureAwait(false)
                    ?? throw new InvalidOperationException($"The endpoint has the CORS policy \"{name}\", which is not registered: add it in builder.Services.AddCors.");
            default:
                return null;
        }
    }

    private static bool IsHandshake(HttpContext context) =>
        context.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true }
        || context.Request.Headers.Upgrade.Any(value => value is not null && value.Contains("websocket", StringComparison.OrdinalIgnoreCase));

    // Of a proxy that speaks TLS the scheme may be unknown here, so it only gives the port that is not written.
    private static bool IsSameOrigin(string origin, HttpRequest request)
    {
        if (!Uri.TryCreate(origin, UriKind.Absolute, out Uri? page) || page.Scheme is not ("http" or "https"))
            return false;
        int port = request.Host.Port ?? (page.Scheme == "https" ? 443 : 80);
        return string.Equals(page.Host, request.Host.Host, StringComparison.OrdinalIgnoreCase) && page.Port == port;
    }
}
