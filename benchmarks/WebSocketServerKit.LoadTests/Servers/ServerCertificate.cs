using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>The certificate of all servers under TLS: for an ECDSA P-256 key, signed by itself, made for this run. It is handed to their processes as text.</summary>
internal static class ServerCertificate
{
    public static string Create()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(60));
        return Convert.ToBase64String(certificate.Export(X509ContentType.Pkcs12));
    }

    public static X509Certificate2 Read(string text) => X509CertificateLoader.LoadPkcs12(Convert.FromBase64String(text), password: null);
}
