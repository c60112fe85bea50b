using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Tls;

public sealed class CertificateFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;
    private readonly X509Certificate2 _certificate = SelfSignedCertificate.Create(["one.example"]);

    public void Dispose()
    {
        _certificate.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private string WritePfx(string? password)
    {
        string path = Path.Combine(_folder, "site.pfx");
        File.WriteAllBytes(path, _certificate.Export(X509ContentType.Pfx, password));
        return path;
    }

    private static SslStreamCertificateContext Read(CertificateFile file)
    {
        bool isNew = file.TryRead(out SslStreamCertificateContext? certificate, out string? problem);
        Assert.True(isNew, problem);
        Assert.True(certificate!.TargetCertificate.HasPrivateKey);
        return certificate;
    }

    private static string Problem(CertificateFile file)
    {
        Assert.False(file.TryRead(out SslStreamCertificateContext? certificate, out string? problem));
        Assert.Null(certificate);
        return problem!;
    }

    [Fact]
    public void A_PEM_file_may_have_the_key_or_another_file_may()
    {
        string both = Write("both.pem", $"{_certificate.ExportCertificatePem()}\n{TestCertificates.Key(_certificate)}");
        Assert.Equal("CN=one.example", Read(new CertificateFile(both, null, null)).TargetCertificate.Subject);
        string alone = Write("cert.pem", _certificate.ExportCertificatePem());
        string key = Write("key.pem", TestCertificates.Key(_certificate));
        Assert.Equal("CN=one.example", Read(new CertificateFile(alone, key, null)).TargetCertificate.Subject);
    }

    [Fact]
    public void The_certificates_behind_the_first_are_its_chain()
    {
        using X509Certificate2 authority = SelfSignedCertificate.Create(["authority"]);
        string path = Write("fullchain.pem", $"{_certificate.ExportCertificatePem()}\n{authority.ExportCertificatePem()}\n{TestCertificates.Key(_certificate)}");
        SslStreamCertificateContext context = Read(new CertificateFile(path, null, null));
        Assert.Equal("CN=one.example", context.TargetCertificate.Subject);
    }

    [Fact]
    public void A_key_with_a_password_needs_it()
    {
        string certificate = Write("cert.pem", _certificate.ExportCertificatePem());
        string key = Write("key.pem", _certificate.GetECDsaPrivateKey()!.ExportEncryptedPkcs8PrivateKeyPem(
            "secret", new PbeParameters(PbeEncryptionAlgorithm.Aes128Cbc, HashAlgorithmName.SHA256, 1)));
        Read(new CertificateFile(certificate, key, "secret"));
        Assert.Contains("needs a password", Problem(new CertificateFile(certificate, key, null)), StringComparison.Ordinal);
        Problem(new CertificateFile(certificate, key, "wrong"));
    }

    [Fact]
    public void A_PKCS_12_file_is_opened_with_its_password()
    {
        Assert.Equal("CN=one.example", Read(new CertificateFile(WritePfx("secret"), null, "secret")).TargetCertificate.Subject);
        Assert.Contains("site.pfx cannot be used", Problem(new CertificateFile(WritePfx("secret"), null, "wrong")), StringComparison.Ordinal);
        Read(new CertificateFile(WritePfx(null), null, null));
    }

    [Fact]
    public void A_file_without_what_is_needed_is_refused_with_the_reason()
    {
        Assert.Contains("no certificate", Problem(new CertificateFile(Write("key.pem", TestCertificates.Key(_certificate)), null, null)), StringComparison.Ordinal);
        Assert.Contains("private key is missing", Problem(new CertificateFile(Write("cert.pem", _certificate.ExportCertificatePem()), null, null)), StringComparison.Ordinal);
        using X509Certificate2 other = SelfSignedCertificate.Create(["other"]);
        Assert.Contains("does not belong", Problem(new CertificateFile(Write("cert.pem", _certificate.ExportCertificatePem()), Write("key.pem", TestCertificates.Key(other)), null)), StringComparison.Ordinal);
        Problem(new CertificateFile(Write("garbage", "no certificate"), null, null));
        Problem(new CertificateFile(Write("empty", ""), null, null));
        string publicOnly = Path.Combine(_folder, "public.pfx");
        File.WriteAllBytes(publicOnly, new X509Certificate2Collection(X509CertificateLoader.LoadCertificate(_certificate.RawData)).Export(X509ContentType.Pfx)!);
        Assert.Contains("no certificate with a private key", Problem(new CertificateFile(publicOnly, null, null)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_reported_once_and_taken_when_it_is_back()
    {
        string path = Path.Combine(_folder, "late.pem");
        CertificateFile file = new(path, null, null);
        Assert.Contains("Cannot read the certificate", Problem(file), StringComparison.Ordinal);
        Assert.Null(Problem(file));
        Write("late.pem", TestCertificates.Pem("late.example"));
        Assert.Equal("CN=late.example", Read(file).TargetCertificate.Subject);
        Assert.False(file.TryRead(out _, out _));
        Assert.Contains("1 MiB", Problem(new CertificateFile(Write("large", new string('x', 1024 * 1024 + 1)), null, null)), StringComparison.Ordinal);
    }

    [Fact]
    public void Contents_count_and_not_dates()
    {
        string path = Write("site.pem", TestCertificates.Pem("one.example"));
        DateTime written = File.GetLastWriteTimeUtc(path);
        CertificateFile file = new(path, null, null);
        Read(file);
        File.SetLastWriteTimeUtc(path, written.AddHours(1));
        Assert.False(file.TryRead(out _, out _));
        Write("site.pem", TestCertificates.Pem("two.example"));
        File.SetLastWriteTimeUtc(path, written);
        Assert.Equal("CN=two.example", Read(file).TargetCertificate.Subject);
    }
}
