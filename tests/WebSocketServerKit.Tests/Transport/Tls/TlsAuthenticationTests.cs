using System.Net.Security;
using System.Security.Authentication;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Tls;

public sealed class TlsAuthenticationTests
{
    private static TlsHost Host() =>
        new(context => new SslServerAuthenticationOptions { ServerCertificateContext = context }, CertificateFile.CreateContext(TlsPair.Certificate, null));

    [Theory]
    [InlineData("example.com", "exact")]
    [InlineData("EXAMPLE.com", "exact")]
    [InlineData("www.example.com", "wildcard")]
    [InlineData("a.www.example.com", "other")]
    [InlineData("example.org", "other")]
    [InlineData("com", "other")]
    [InlineData("", "other")]
    public void The_name_selects_the_settings(string name, string expected)
    {
        Dictionary<string, TlsHost> hosts = new(StringComparer.Ordinal) { ["example.com"] = Host(), ["*.example.com"] = Host() };
        TlsHost other = Host();
        TlsAuthentication authentication = new(hosts, other);
        Assert.Same(expected switch { "exact" => hosts["example.com"], "wildcard" => hosts["*.example.com"], _ => other }, authentication.Select(name));
        Assert.Equal(3, authentication.Hosts.Count());
    }

    [Theory]
    [InlineData("", "names no host")]
    [InlineData("example.org", "no certificate for the host")]
    public void Without_settings_for_others_they_are_refused(string name, string why)
    {
        TlsAuthentication authentication = new([new("example.com", Host())], other: null);
        Assert.Contains(why, Assert.Throws<AuthenticationException>(() => authentication.Select(name)).Message, StringComparison.Ordinal);
        Assert.Single(authentication.Hosts);
    }
}
