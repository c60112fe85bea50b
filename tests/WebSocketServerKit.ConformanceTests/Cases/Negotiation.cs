namespace WebSocketServerKit.Conformance.Cases;

/// <summary>What a case offers of permessage-deflate, and what is agreed on with the suite's server.</summary>
/// <param name="Offer">The value of <c>Sec-WebSocket-Extensions</c> in the request.</param>
/// <param name="Answer">The one in the response.</param>
/// <param name="WindowBits">How far the server may refer back, as a power of two.</param>
/// <param name="ContextTakeover">Whether it may refer to earlier messages.</param>
public sealed record Negotiation(string Offer, string Answer, int WindowBits, bool ContextTakeover);
