using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace WebSocketServerKit.Transport.Tls;

public sealed class SelfSignedCertificateTests
{
    [Fact]
    public void Without_names_it_is_for_this_machine()
    {
        using X509Certificate2 certificate = SelfSignedCertificate.Create([]);
        Assert.True(certificate.MatchesHostname("localhost"));
        Assert.True(certificate.MatchesHostname("127.0.0.1"));
        Assert.True(certificate.MatchesHostname("::1"));
        Assert.True(certificate.HasPrivateKey);
        Assert.True(certificate.NotBefore < DateTime.Now && DateTime.Now.AddDays(360) < certificate.NotAfter);
    }

    [Fact]
    public void It_is_for_the_names_and_addresses_that_it_is_made_for()
    {
        using X509Certificate2 certificate = SelfSignedCertificate.Create(["chat.example", IPAddress.Loopback.ToString()]);
        Assert.Equal("CN=chat.example", certificate.Subject);
        Assert.True(certificate.MatchesHostname("chat.example"));
        Assert.True(certificate.MatchesHostname("127.0.0.1"));
        Assert.False(certificate.MatchesHostname("localhost"));
    }
}
