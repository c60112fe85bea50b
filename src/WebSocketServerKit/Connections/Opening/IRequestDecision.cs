using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Connections.Opening;

/// <summary>What the layer above decides about the request of one connection. Made when there is something to decide, and used by one thread at a time.</summary>
internal interface IRequestDecision
{
    /// <summary>The answer to a request that cannot be parsed.</summary>
    HandshakeResponse Refuse(HandshakeViolation violation);

    /// <summary>The answer to a connection that <see cref="ConnectionTable"/> did not admit, that lost its place, or whose request came too late.</summary>
    HandshakeResponse TurnAway(Admission admission);

    /// <summary>Begins to decide about a request. True when the host is to be asked by <see cref="ConnectionEvent.Request"/>.</summary>
    bool Begin(HandshakeRequest request);

    /// <summary>The answer, when the host has been asked.</summary>
    HandshakeResponse End(OpeningHandshake opening);
}
