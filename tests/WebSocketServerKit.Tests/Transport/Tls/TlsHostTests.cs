using System.Net.Security;
using System.Security.Authentication;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Tls;

public sealed class TlsHostTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.pem");

    public void Dispose() => File.Delete(_path);

    private TlsHost FromFile(string name)
    {
        Write(name);
        return new TlsHost(context => new SslServerAuthenticationOptions { ServerCertificateContext = context }, new CertificateFile(_path, null, null));
    }

    private void Write(string name) => File.WriteAllText(_path, TestCertificates.Pem(name));

    [Fact]
    public void Http_1_1_and_the_versions_1_2_and_1_3_are_offered_unless_the_settings_say_otherwise()
    {
        TlsHost host = new(_ => new SslServerAuthenticationOptions { ServerCertificate = TlsPair.Certificate }, certificate: null);
        Assert.Equal([SslApplicationProtocol.Http11], host.Current.ApplicationProtocols!);
        Assert.Equal(SslProtocols.Tls12 | SslProtocols.Tls13, host.Current.EnabledSslProtocols);
        Assert.Same(TlsPair.Certificate, host.Certificate);
        Assert.False(host.Refresh(out string? problem));
        Assert.Null(problem);

        host = new(_ => new SslServerAuthenticationOptions { ApplicationProtocols = [new("chat")], EnabledSslProtocols = SslProtocols.Tls13 }, certificate: null);
        Assert.Equal([new SslApplicationProtocol("chat")], host.Current.ApplicationProtocols!);
        Assert.Equal(SslProtocols.Tls13, host.Current.EnabledSslProtocols);
        Assert.Null(host.Certificate);
    }

    [Fact]
    public void A_changed_file_is_taken_and_a_broken_one_is_not()
    {
        TlsHost host = FromFile("one.example");
        Assert.False(host.Refresh(out _));
        Write("two.example");
        Assert.True(host.Refresh(out string? problem));
        Assert.Null(problem);
        Assert.Equal("CN=two.example", host.Certificate!.Subject);

        File.WriteAllText(_path, "-----BEGIN CERTIFICATE-----\n");
        Assert.False(host.Refresh(out problem));
        Assert.Contains(_path, problem, StringComparison.Ordinal);
        Assert.Equal("CN=two.example", host.Certificate!.Subject);
        Assert.False(host.Refresh(out problem));
        Assert.Null(problem);
    }

    [Fact]
    public void A_file_that_cannot_be_used_fails_at_once()
    {
        File.WriteAllText(_path, "");
        Assert.Contains(_path, Assert.Throws<IOException>(() => new TlsHost(_ => new SslServerAuthenticationOptions(), new CertificateFile(_path, null, null))).Message, StringComparison.Ordinal);
    }
}
