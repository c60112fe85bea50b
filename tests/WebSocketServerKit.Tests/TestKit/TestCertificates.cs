using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.TestKit;

/// <summary>Certificates for tests, as files have them.</summary>
internal static class TestCertificates
{
    /// <summary>A certificate and its key, one behind the other.</summary>
    public static string Pem(string name)
    {
        using X509Certificate2 certificate = SelfSignedCertificate.Create([name]);
        return $"{certificate.ExportCertificatePem()}\n{Key(certificate)}\n";
    }

    public static string Key(X509Certificate2 certificate) => certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem();
}
