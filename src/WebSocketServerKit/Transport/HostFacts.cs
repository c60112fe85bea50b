using System.Security.Claims;

namespace WebSocketServerKit.Transport;

/// <summary>What the host has told about a connection that it brings, apart from its addresses. A connection without any facts has null, which costs nothing.</summary>
/// <param name="Source">What brought the connection.</param>
/// <param name="User">Who the host takes the client for.</param>
/// <param name="IsOriginChecked">Whether the host has checked the request's host and origin.</param>
/// <param name="IsSecure">Whether the client speaks TLS to whoever brings the connection; null if that is not known.</param>
/// <param name="PathBase">The part of the request's path that belongs to whoever brings the connection; null for none.</param>
/// <param name="Opened">Called with the client when its handshake was accepted; null for nobody.</param>
internal sealed record HostFacts(object? Source, ClaimsPrincipal? User, bool IsOriginChecked, bool? IsSecure, string? PathBase, Action<object>? Opened = null);
