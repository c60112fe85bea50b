using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Decides which well-formed requests are let in by the host that they name and the page that they come from. Immutable.</summary>
internal sealed class AccessRules(HostRules hosts, OriginRules origins)
{
    /// <summary>The rule that the request breaks, or <see cref="HandshakeViolation.None"/>.</summary>
    /// <param name="request">A plain request, or a handshake that is in order.</param>
    /// <param name="localAddress">The address of this machine at which it arrived.</param>
    public HandshakeViolation Check(HandshakeRequest request, IPAddress localAddress)
    {
        // What is listed holds for everybody. Otherwise the host matters where trust rests on it: a page can read the answer to a plain request of its own
        // host, and it may open a WebSocket there. What is no browser names what it likes.
        bool isOwnHost = hosts.Allows(request.Host, localAddress);
        if (!isOwnHost && (hosts.AreListed || !request.IsWebSocket))
            return HandshakeViolation.HostNotAllowed;
        if (!request.IsWebSocket || origins.Allows(request.Origin, isOwnHost ? request.Host : ""))
            return HandshakeViolation.None;

        return origins.Allows(request.Origin, request.Host) ? HandshakeViolation.HostNotAllowed : HandshakeViolation.OriginNotAllowed;
    }
}
