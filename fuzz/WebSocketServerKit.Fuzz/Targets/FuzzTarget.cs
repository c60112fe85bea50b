namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>One target per parser. A target is given any bytes at all and throws when the parser does not keep its promises.</summary>
internal static class FuzzTarget
{
    public static IReadOnlyDictionary<string, Action<byte[]>> All { get; } = new Dictionary<string, Action<byte[]>>(StringComparer.Ordinal)
    {
        ["frames"] = input => FramesTarget.Run(input),
        ["deflate"] = input => DeflateTarget.Run(input),
        ["request"] = input => HandshakeRequestTarget.Run(input),
        ["lists"] = HeaderListsTarget.Run,
        ["close"] = input => ClosePayloadTarget.Run(input),
        ["proxy"] = input => ProxyHeaderTarget.Run(input),
        ["forwarded"] = input => ForwardedHeadersTarget.Run(input),
    };
}
