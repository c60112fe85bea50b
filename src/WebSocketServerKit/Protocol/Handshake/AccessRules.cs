using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Decides whether a well-formed request is allowed, by its host and its origin. Immutable.</summary>
internal sealed class AccessRules(HostRules hosts, OriginRules origins)
{
    /// <summary>The same rules about hosts, with others about origins.</summary>
    public AccessRules WithOrigins(OriginRules others) => new(hosts, others);

    /// <summary>The rule that the request breaks, or <see cref="HandshakeViolation.None"/>.</summary>
    /// <param name="request">A plain request, or a handshake that is in order.</param>
    /// <param name="localAddress">The address of this machine at which it arrived.</param>
    public HandshakeViolation Check(HandshakeRequest request, IPAddress localAddress)
    {
        // A list of allowed hosts applies to every request. Without one, only requests that a page may have caused are checked: a rebound page could read the
        // answer to a plain request, or open a WebSocket. Programs other than browsers can send any host anyway.
        bool isOwnHost = hosts.Allows(request.Host, localAddress);
        if (!isOwnHost && (hosts.AreListed || !request.IsWebSocket))
            return HandshakeViolation.HostNotAllowed;
        if (!request.IsWebSocket || origins.Allows(request.Origin, isOwnHost ? request.Host : "", request.IsSecure))
            return HandshakeViolation.None;

        return origins.Allows(request.Origin, request.Host, request.IsSecure) ? HandshakeViolation.HostNotAllowed : HandshakeViolation.OriginNotAllowed;
    }
}
