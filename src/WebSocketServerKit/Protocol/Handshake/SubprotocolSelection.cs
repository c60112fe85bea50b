namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Picks the subprotocol that a connection will speak.</summary>
internal static class SubprotocolSelection
{
    /// <summary>The first of the client's subprotocols that the server supports, or <see langword="null"/> if they share none.</summary>
    /// <remarks>
    /// The client's order decides, as with most servers: RFC 6455 has the client list its subprotocols "ordered by preference" (4.1) and
    /// gives the server no order of its own. A host that prefers otherwise picks for itself.
    /// Having none in common is no violation (4.2.2: "The absence of such a field is equivalent to the null value"): the client decides.
    /// Names are compared ordinally: RFC 6455 11.5 registers them as they are, and the client compares the answer with what it sent.
    /// </remarks>
    public static string? Select(IReadOnlyList<string> requested, IReadOnlyCollection<string> supported)
    {
        foreach (string subprotocol in requested)
        {
            if (supported.Contains(subprotocol, StringComparer.Ordinal))
                return subprotocol;
        }

        return null;
    }
}
