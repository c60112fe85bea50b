using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WebSocketServerKit.TestKit;

/// <summary>An authority that issues certificates for tests, and that only tests trust. Thread-safe.</summary>
internal sealed class TestAuthority
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private static readonly Lazy<TestAuthority> Made = new(() => new TestAuthority("Test root", issuer: null));

    private readonly TestAuthority? _issuer;

    /// <param name="name">Its name.</param>
    /// <param name="issuer">The authority above it; null for a root.</param>
    public TestAuthority(string name, TestAuthority? issuer)
    {
        _issuer = issuer;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        DateTimeOffset now = DateTimeOffset.UtcNow;
        if (issuer is null)
        {
            Certificate = request.CreateSelfSigned(now.AddYears(-1), now.AddYears(10));
        }
        else
        {
            using X509Certificate2 issued = request.Create(issuer.Certificate, now.AddDays(-300), now.AddYears(9), RandomNumberGenerator.GetBytes(8));
            Certificate = issued.CopyWithPrivateKey(key);
        }
    }

    /// <summary>A root that all tests share.</summary>
    public static TestAuthority Root => Made.Value;

    /// <summary>Its own certificate, with its key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Issues a certificate with its key.</summary>
    /// <param name="name">The host name, or the name of the client. An IP address is permitted.</param>
    /// <param name="notBefore">Since when it is valid; null for a day ago.</param>
    /// <param name="notAfter">Until when; null for a year.</param>
    public X509Certificate2 Issue(string name, DateTimeOffset? notBefore = null, DateTimeOffset? notAfter = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 issued = Request(name, key).Create(Certificate, notBefore ?? now.AddDays(-1), notAfter ?? now.AddYears(1), RandomNumberGenerator.GetBytes(8));
        using X509Certificate2 withKey = issued.CopyWithPrivateKey(key);
        // Windows takes no key for TLS that was made in memory.
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }

    /// <summary>Makes a certificate that nobody has issued.</summary>
    public static X509Certificate2 SelfSigned(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 made = Request(name, key).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }

    /// <summary>Whether the certificate is valid now and leads to the root of this authority, with the certificates that the peer has sent.</summary>
    public bool Trusts(X509Certificate? certificate, X509Chain? sent = null)
    {
        if (certificate is null)
            return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        TestAuthority root = this;
        while (root._issuer is not null)
            root = root._issuer;
        chain.ChainPolicy.CustomTrustStore.Add(root.Certificate);
        if (sent is not null)
            chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
        return chain.Build((X509Certificate2)certificate);
    }

    private static CertificateRequest Request(string name, ECDsa key)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(name, out IPAddress? address))
            alternatives.AddIpAddress(address);
        else
            alternatives.AddDnsName(name);
        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication), new Oid(ClientAuthentication)], critical: false));
        return request;
    }
}
