using System.Security.Claims;

namespace WebSocketServerKit.Transport;

/// <summary>What the host has told of a connection that it brings, apart from its addresses. Null in place of it where the host told nothing: then it costs nothing.</summary>
/// <param name="Source">What brought the connection.</param>
/// <param name="User">Who the host takes the client for.</param>
/// <param name="IsOriginChecked">Whether the host has checked the request's host and origin.</param>
/// <param name="IsSecure">Whether the client speaks TLS to whoever brings the connection; null if that is not known.</param>
internal sealed record HostFacts(object? Source, ClaimsPrincipal? User, bool IsOriginChecked, bool? IsSecure);
