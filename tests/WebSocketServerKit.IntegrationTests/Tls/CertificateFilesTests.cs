using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>Every kind of file that a certificate can come in, and what the host is told about those that cannot be used.</summary>
public sealed class CertificateFilesTests : IDisposable
{
    private const string Password = "sesame";

    private static readonly PbeParameters Encryption = new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 10_000);

    private readonly string _folder = Directory.CreateTempSubdirectory("certificate-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    private static string KeyOf(X509Certificate2 certificate, string? password = null)
    {
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        return password is null ? key.ExportPkcs8PrivateKeyPem() : key.ExportEncryptedPkcs8PrivateKeyPem(password, Encryption);
    }

    private static async Task<X509Certificate2Collection> AssertServesAsync(TlsOptions tls, string subject)
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Listen("https://127.0.0.1:0", tls));
        using SecureStream client = await SecureStream.ConnectAsync(server.EndPoint);
        await client.EchoAsync();
        Assert.Equal(subject, client.Tls.RemoteCertificate!.Subject);
        return client.Sent;
    }

    private static async Task<string> AssertRefusedAsync(TlsOptions tls)
    {
        await using var server = new WebSocketServer(new WebSocketServerOptions().Listen("https://127.0.0.1:0", tls));
        string message = (await Assert.ThrowsAsync<IOException>(() => server.StartAsync(TestServer.Timely))).Message;
        Assert.False(server.IsListening);
        return message;
    }

    [Theory]
    [InlineData(null)]
    [InlineData(Password)]
    public async Task PFX_with_and_without_a_password(string? password)
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        string file = Write("server.pfx", certificate.Export(X509ContentType.Pkcs12, password));
        await AssertServesAsync(TlsOptions.FromPfx(file, password), "CN=localhost");
    }

    [Fact]
    public async Task PFX_with_its_chain_of_which_the_client_gets_the_intermediate_certificate()
    {
        var middle = new TestAuthority("Test intermediate", TestAuthority.Root);
        using X509Certificate2 certificate = middle.Issue("localhost");
        using X509Certificate2 bare = X509CertificateLoader.LoadCertificate(middle.Certificate.RawData);
        string file = Write("server.pfx", new X509Certificate2Collection { certificate, bare }.Export(X509ContentType.Pkcs12, Password)!);
        X509Certificate2Collection sent = await AssertServesAsync(TlsOptions.FromPfx(file, Password), "CN=localhost");
        Assert.Contains(bare, sent);
    }

    [Fact]
    public async Task PEM_with_the_key_in_another_file_in_the_same_and_encrypted()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        string pem = certificate.ExportCertificatePem(), key = KeyOf(certificate), encrypted = KeyOf(certificate, Password);
        await AssertServesAsync(TlsOptions.FromPem(Write("cert.pem", pem), Write("key.pem", key)), "CN=localhost");
        await AssertServesAsync(TlsOptions.FromPem(Write("both.pem", pem + "\n" + key)), "CN=localhost");
        await AssertServesAsync(TlsOptions.FromPem(Write("swapped.pem", key + "\n" + pem)), "CN=localhost");
        await AssertServesAsync(TlsOptions.FromPem(Write("cert.pem", pem), Write("locked.pem", encrypted), Password), "CN=localhost");
        await AssertServesAsync(TlsOptions.FromPem(Write("lockedboth.pem", pem + "\n" + encrypted), password: Password), "CN=localhost");
    }

    [Fact]
    public async Task PEM_with_a_key_of_RSA()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.Create(
            TestAuthority.Root.Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(TestAuthority.Root.Certificate.GetECDsaPrivateKey()!),
            DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30), [1, 2, 3]);
        await AssertServesAsync(TlsOptions.FromPem(Write("cert.pem", certificate.ExportCertificatePem()), Write("key.pem", key.ExportRSAPrivateKeyPem())), "CN=localhost");
    }

    [Fact]
    public async Task PEM_with_its_chain_of_which_the_client_gets_the_intermediate_certificates()
    {
        var upper = new TestAuthority("Test upper", TestAuthority.Root);
        var lower = new TestAuthority("Test lower", upper);
        using X509Certificate2 certificate = lower.Issue("localhost");
        string chain = string.Join('\n', certificate.ExportCertificatePem(), lower.Certificate.ExportCertificatePem(), upper.Certificate.ExportCertificatePem());
        // Without the chain the client of the tests would not trust the certificate.
        X509Certificate2Collection sent = await AssertServesAsync(TlsOptions.FromPem(Write("fullchain.pem", chain), Write("privkey.pem", KeyOf(certificate))), "CN=localhost");
        Assert.Contains(sent, one => one.Subject == "CN=Test lower");
        Assert.Contains(sent, one => one.Subject == "CN=Test upper");
    }

    [Fact]
    public async Task A_wrong_or_missing_password_is_told()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        string pfx = Write("server.pfx", certificate.Export(X509ContentType.Pkcs12, Password));
        string pem = Write("cert.pem", certificate.ExportCertificatePem()), key = Write("key.pem", KeyOf(certificate, Password));
        foreach (TlsOptions tls in (TlsOptions[])[TlsOptions.FromPfx(pfx, "wrong"), TlsOptions.FromPfx(pfx), TlsOptions.FromPem(pem, key, "wrong"), TlsOptions.FromPem(pem, key)])
        {
            string message = await AssertRefusedAsync(tls);
            Assert.Contains(tls.CertificateFile!, message, StringComparison.Ordinal);
            Assert.Contains("password", message, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Fact]
    public async Task A_key_of_another_certificate_is_told()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        using X509Certificate2 other = TestAuthority.Root.Issue("localhost");
        string pem = Write("cert.pem", certificate.ExportCertificatePem()), key = Write("key.pem", KeyOf(other));
        string message = await AssertRefusedAsync(TlsOptions.FromPem(pem, key));
        Assert.StartsWith($"The certificate in {pem} with the key in {key} cannot be used: ", message, StringComparison.Ordinal);
        Assert.Contains("does not belong to the first certificate", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_without_its_key_is_told()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        Assert.Contains("its private key is missing", await AssertRefusedAsync(TlsOptions.FromPem(Write("cert.pem", certificate.ExportCertificatePem()))), StringComparison.Ordinal);
        using X509Certificate2 bare = X509CertificateLoader.LoadCertificate(certificate.RawData);
        Assert.Contains("no certificate with a private key", await AssertRefusedAsync(TlsOptions.FromPfx(Write("bare.pfx", bare.Export(X509ContentType.Pkcs12)))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_without_a_certificate_is_told()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        Assert.Contains("the file has no certificate", await AssertRefusedAsync(TlsOptions.FromPem(Write("key.pem", KeyOf(certificate)))), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_in_DER_is_told()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        string file = Write("server.crt", certificate.RawData);
        Assert.StartsWith($"The certificate in {file} cannot be used: ", await AssertRefusedAsync(TlsOptions.FromPem(file)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("directory")]
    [InlineData("empty")]
    [InlineData("garbage")]
    [InlineData("huge")]
    public async Task A_file_that_is_no_certificate_is_told(string what)
    {
        string file = Path.Combine(_folder, "server.pem");
        switch (what)
        {
            case "directory":
                Directory.CreateDirectory(file);
                break;
            case "empty":
                Write("server.pem", "");
                break;
            case "garbage":
                Write("server.pem", "-----BEGIN CERTIFICATE-----\nnothing of the kind\n-----END CERTIFICATE-----\n");
                break;
            case "huge":
                Write("server.pem", new byte[1024 * 1024 + 1]);
                break;
        }

        foreach (TlsOptions tls in (TlsOptions[])[TlsOptions.FromPem(file), TlsOptions.FromPfx(file)])
            Assert.Contains(file, await AssertRefusedAsync(tls), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_file_of_the_key_is_told()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        string key = Path.Combine(_folder, "key.pem");
        Assert.Contains(key, await AssertRefusedAsync(TlsOptions.FromPem(Write("cert.pem", certificate.ExportCertificatePem()), key)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_may_not_be_read_is_told()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        string file = Write("server.pfx", certificate.Export(X509ContentType.Pkcs12));
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(file, UnixFileMode.None);
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "Needs a user who may not read everything.");
        Assert.Contains(file, await AssertRefusedAsync(TlsOptions.FromPfx(file)), StringComparison.Ordinal);
    }
}
