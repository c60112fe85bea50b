using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace WebSocketServerKit;

/// <summary>What the TLS handshake of a client has agreed on. Immutable; it stays valid after the client has left.</summary>
public sealed class TlsSession
{
    internal TlsSession(SslStream stream)
    {
        Protocol = stream.SslProtocol;
        CipherSuite = stream.NegotiatedCipherSuite;
        ServerName = stream.TargetHostName;
        ClientCertificate = stream.RemoteCertificate as X509Certificate2;
    }

    /// <summary>The version of TLS.</summary>
    public SslProtocols Protocol { get; }

    /// <summary>The algorithms that protect the connection.</summary>
    public TlsCipherSuite CipherSuite { get; }

    /// <summary>The host name that the client asked for in the TLS handshake (SNI); empty if it named none, as clients that connect to an IP address do.</summary>
    public string ServerName { get; }

    /// <summary>The client's certificate, validated as <see cref="TlsOptions.ClientCertificates"/> says; null if it sent none or was not asked.</summary>
    public X509Certificate2? ClientCertificate { get; }
}
