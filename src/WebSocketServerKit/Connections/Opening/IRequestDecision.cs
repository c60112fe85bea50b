using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Connections.Opening;

/// <summary>How the layer above decides about the request of one connection. Made on demand; used by one thread at a time.</summary>
internal interface IRequestDecision
{
    /// <summary>The answer to a request that cannot be parsed.</summary>
    HandshakeResponse Refuse(HandshakeViolation violation);

    /// <summary>The answer to a connection that <see cref="ConnectionTable"/> did not admit, that lost its place, or whose request came too late.</summary>
    HandshakeResponse TurnAway(Admission admission);

    /// <summary>
    /// Begins to decide about a request. True if the host has to be asked: then raise <see cref="ConnectionEvent.Request"/> before <see cref="End"/>.
    /// </summary>
    bool Begin(HandshakeRequest request);

    /// <summary>The answer. Called after <see cref="Begin"/>, and after the host was asked if it had to be.</summary>
    HandshakeResponse End(OpeningHandshake opening);
}
