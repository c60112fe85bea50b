using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Options;

public sealed class ListenPlaceTests
{
    private static readonly TlsOptions Tls = TlsOptions.FromCertificate(TlsPair.Certificate);

    private static ListenPlace At(string url, ListenOptions? options = null) => new(ListenAddress.Parse(url), null, options);

    private static ListenPlace AtEndPoint(ListenOptions? options = null) => new(new ListenAddress(new IPEndPoint(IPAddress.Loopback, 0)), null, options);

    private static TlsOptions? Used(ListenPlace place, ListenOptions defaults)
    {
        TlsOptions? used = null;
        ListenTarget target = place.ToTarget(defaults, tls =>
        {
            used = tls;
            return TlsPair.Authentication;
        });
        Assert.Equal(used is not null, target.Tls is not null);
        return used;
    }

    [Fact]
    public void The_scheme_of_a_URL_decides_about_TLS()
    {
        ListenOptions defaults = new() { Tls = Tls };
        TlsOptions own = TlsOptions.FromCertificate(TlsPair.Certificate);
        Assert.Null(Used(At("http://localhost:0"), defaults));
        Assert.Same(Tls, Used(At("https://localhost:0"), defaults));
        Assert.Same(own, Used(At("wss://localhost:0", own), defaults));
        Assert.Same(Tls, Used(At("https://localhost:0", new ListenOptions { Backlog = 5 }), defaults));
    }

    [Fact]
    public void Elsewhere_the_options_decide()
    {
        Assert.Null(Used(AtEndPoint(), new ListenOptions()));
        Assert.Same(Tls, Used(AtEndPoint(), new ListenOptions { Tls = Tls }));
        Assert.Same(Tls, Used(AtEndPoint(Tls), new ListenOptions()));
        Assert.Null(Used(AtEndPoint(new ListenOptions()), new ListenOptions { Tls = Tls }));
        Assert.Same(Tls, Used(At("unix:/run/app.sock", Tls), new ListenOptions()));
    }

    [Fact]
    public void A_scheme_and_options_that_do_not_fit_are_refused_with_the_right_form()
    {
        Assert.StartsWith("\"https://*:8443\" needs a certificate: options.Listen(\"https://*:8443\", TlsOptions.FromPem(", At("https://*:8443").Check(new()), StringComparison.Ordinal);
        Assert.EndsWith("write \"https://*:8080\".", At("ws://*:8080", Tls).Check(new()), StringComparison.Ordinal);
        Assert.Null(At("https://*:8443").Check(new ListenOptions { Tls = Tls }));
        Assert.Null(At("http://*:8080").Check(new ListenOptions { Tls = Tls }));
        Assert.StartsWith("ListenOptions.Backlog is 0", AtEndPoint(new ListenOptions { Backlog = 0 }).Check(new()), StringComparison.Ordinal);
    }

    [Fact]
    public void It_has_a_name_for_messages()
    {
        Assert.Equal("http://*:8080", At("http://*:8080").Name);
        Assert.Equal("127.0.0.1:0", AtEndPoint().Name);
        Assert.Equal("a socket", new ListenPlace(null, null, null).Name);
    }
}
