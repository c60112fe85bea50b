namespace WebSocketServerKit;

/// <summary>
/// The headers with which trusted proxies tell who their client is. Only one kind can be chosen: a proxy sets the headers of one kind and passes those of the other kind on as the client sent
/// them. A server that read both would let clients forge their address.
/// </summary>
public enum ForwardedHeaderKind
{
    /// <summary>None is read: the client is whoever connected.</summary>
    None,

    /// <summary><c>Forwarded</c> (RFC 7239), which tells the address, the scheme and the host. Choose it only if every trusted proxy sets or removes this header.</summary>
    Forwarded,

    /// <summary>
    /// <c>X-Forwarded-For</c>, <c>X-Forwarded-Proto</c> and <c>X-Forwarded-Host</c>, which most proxies set. Choose it only if every trusted proxy sets or removes each of the three.
    /// </summary>
    XForwarded,
}
