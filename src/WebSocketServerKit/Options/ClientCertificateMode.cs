namespace WebSocketServerKit;

/// <summary>Whether clients show a certificate in the TLS handshake.</summary>
public enum ClientCertificateMode
{
    /// <summary>They are not asked for one.</summary>
    None,

    /// <summary>They are asked for one, and may have none. One that is not valid ends the TLS handshake.</summary>
    Requested,

    /// <summary>They must have a valid one.</summary>
    Required,
}
