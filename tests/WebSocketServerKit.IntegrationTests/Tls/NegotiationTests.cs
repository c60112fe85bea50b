using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>What the TLS handshake agrees on: versions, ALPN, the host name, the certificate of the client.</summary>
public class NegotiationTests
{
    public enum Shown
    {
        Valid,
        None,
        SelfSigned,
        Expired,
    }

    public static TheoryData<ClientCertificateMode, Shown, SslProtocols> EveryModeAndCertificateAndVersion()
    {
        TheoryData<ClientCertificateMode, Shown, SslProtocols> all = [];
        foreach (ClientCertificateMode mode in Enum.GetValues<ClientCertificateMode>())
        {
            foreach (Shown shown in Enum.GetValues<Shown>())
            {
                all.Add(mode, shown, SslProtocols.Tls12);
                all.Add(mode, shown, SslProtocols.Tls13);
            }
        }

        return all;
    }

    private static TlsOptions For(string name) => TlsOptions.FromCertificate(TestAuthority.Root.Issue(name));

    private static Task<TestServer> StartAsync(TlsOptions tls, Action<WebSocketServer>? subscribe = null) => TestServer.StartAsync(
        server =>
        {
            server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
            subscribe?.Invoke(server);
        },
        options => options.Listen("https://127.0.0.1:0", tls));

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task TLS_1_2_and_1_3_are_spoken(SslProtocols version)
    {
        TlsSession? early = null;
        await using TestServer server = await StartAsync(For("localhost"), server => server.Handshaking += (_, e) => early = e.Tls);
        using SecureStream client = await SecureStream.ConnectAsync(server.EndPoint, configure: options => options.EnabledSslProtocols = version);
        await client.EchoAsync();
        TlsSession session = (await server.NextClientAsync()).Tls!;
        Assert.Equal((version, client.Tls.NegotiatedCipherSuite, "localhost", null), (session.Protocol, session.CipherSuite, session.ServerName, session.ClientCertificate));
        Assert.Same(early, session);
    }

    [Theory]
    [InlineData(0x0301)]
    [InlineData(0x0302)]
    public async Task Versions_before_TLS_1_2_are_refused_with_an_alert(int version)
    {
        await using TestServer server = await StartAsync(For("localhost"));
        using TestClient client = await TestClient.ConnectAsync(server.EndPoint);
        await client.WriteAsync(ClientHello.Of(version));
        // RFC 5246 E.1: "If server supports (or is willing to use) only versions greater than client_version, it MUST send a "protocol_version" alert message and close the connection."
        await client.AssertAlertAsync(ClientHello.ProtocolVersion);
        await Polling.UntilAsync(() => server.Log.Of(26).Count == 1);
    }

    [Fact]
    public async Task Another_version_is_spoken_if_the_options_say_so()
    {
        TlsOptions tls = For("localhost");
        tls.Protocols = SslProtocols.Tls12;
        await using TestServer server = await StartAsync(tls);
        using SecureStream client = await SecureStream.ConnectAsync(server.EndPoint);
        Assert.Equal(SslProtocols.Tls12, client.Tls.SslProtocol);
        await Assert.ThrowsAsync<AuthenticationException>(() => SecureStream.ConnectAsync(server.EndPoint, configure: options => options.EnabledSslProtocols = SslProtocols.Tls13));
    }

    [Theory]
    [InlineData("http/1.1", "http/1.1")]
    [InlineData("h2,http/1.1", "http/1.1")]
    [InlineData("", "")]
    public async Task ALPN_selects_http_1_1(string offered, string selected)
    {
        await using TestServer server = await StartAsync(For("localhost"));
        using SecureStream client = await SecureStream.ConnectAsync(server.EndPoint, configure: options =>
            options.ApplicationProtocols = [.. offered.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(name => new SslApplicationProtocol(name))]);
        Assert.Equal(selected, client.Tls.NegotiatedApplicationProtocol.ToString());
        await client.EchoAsync();
    }

    [Fact]
    public async Task A_client_that_speaks_HTTP_2_only_is_refused_by_TLS()
    {
        await using TestServer server = await StartAsync(For("localhost"));
        await Assert.ThrowsAsync<AuthenticationException>(() =>
            SecureStream.ConnectAsync(server.EndPoint, configure: options => options.ApplicationProtocols = [SslApplicationProtocol.Http2]));
        await Polling.UntilAsync(() => server.Log.Of(26).Count == 1);
    }

    [Fact]
    public async Task Each_host_name_gets_its_certificate()
    {
        TlsOptions tls = For("other.test");
        tls.ServerNames["a.test"] = For("a.test");
        tls.ServerNames["*.b.test"] = For("*.b.test");
        tls.ServerNames["own.b.test"] = For("own.b.test");
        await using TestServer server = await StartAsync(tls);
        foreach ((string name, string subject) in ((string, string)[])
            [
                ("a.test", "a.test"), ("A.Test", "a.test"), ("x.b.test", "*.b.test"), ("own.b.test", "own.b.test"), ("b.test", "other.test"), ("y.x.b.test", "other.test"), ("unknown.test", "other.test"),
                ("127.0.0.1", "other.test"),
            ])
        {
            Assert.Equal((name, $"CN={subject}"), (name, await SecureStream.SubjectAsync(server.EndPoint, name)));
        }
    }

    [Fact]
    public async Task Without_a_certificate_for_other_names_their_clients_are_refused()
    {
        var tls = new TlsOptions { ServerNames = { ["a.test"] = For("a.test") } };
        await using TestServer server = await StartAsync(tls);
        using (SecureStream client = await SecureStream.ConnectAsync(server.EndPoint, "a.test"))
            await client.EchoAsync();
        foreach (string name in (string[])["b.test", "127.0.0.1"])
            await SecureStream.AssertRefusedAsync(server.EndPoint, name);
        await Polling.UntilAsync(() => server.Log.Of(26).Count == 2);
        Assert.Contains("there is no certificate for the host that the client names", server.Log.Of(26)[0].Message, StringComparison.Ordinal);
        Assert.Contains("the client names no host, and there is no certificate for that", server.Log.Of(26)[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_name_has_options_of_its_own()
    {
        TlsOptions tls = For("a.test");
        TlsOptions strict = For("strict.test");
        strict.ClientCertificates = ClientCertificateMode.Required;
        strict.Protocols = SslProtocols.Tls12;
        strict.ValidateClientCertificates((_, certificate, chain, _) => TestAuthority.Root.Trusts(certificate, chain));
        tls.ServerNames["strict.test"] = strict;
        await using TestServer server = await StartAsync(tls);
        using SecureStream free = await SecureStream.ConnectAsync(server.EndPoint, "a.test");
        await free.EchoAsync();
        Assert.Equal(SslProtocols.Tls13, free.Tls.SslProtocol);
        await SecureStream.AssertRefusedAsync(server.EndPoint, "strict.test");
        using SecureStream known = await SecureStream.ConnectAsync(server.EndPoint, "strict.test", options => options.ClientCertificates = [TestAuthority.Root.Issue("ann")]);
        await known.EchoAsync();
        Assert.Equal(SslProtocols.Tls12, known.Tls.SslProtocol);
        await server.NextClientAsync();
        Assert.Equal("CN=ann", (await server.NextClientAsync()).Tls!.ClientCertificate!.Subject);
    }

    [Theory]
    [MemberData(nameof(EveryModeAndCertificateAndVersion))]
    public async Task Certificates_of_clients_are_taken_as_the_options_say(ClientCertificateMode mode, Shown shown, SslProtocols version)
    {
        bool isTaken = mode == ClientCertificateMode.None || shown == Shown.Valid || (mode == ClientCertificateMode.Requested && shown == Shown.None);
        TlsOptions tls = For("localhost");
        tls.ClientCertificates = mode;
        if (mode != ClientCertificateMode.None)
            tls.ValidateClientCertificates((_, certificate, chain, _) => TestAuthority.Root.Trusts(certificate, chain));
        string? seen = null;
        await using TestServer server = await StartAsync(tls, server => server.Handshaking += (_, e) => seen = e.Tls!.ClientCertificate?.Subject ?? "none");
        using X509Certificate2? certificate = shown switch
        {
            Shown.Valid => TestAuthority.Root.Issue("ann"),
            Shown.SelfSigned => TestAuthority.SelfSigned("ann"),
            Shown.Expired => TestAuthority.Root.Issue("ann", DateTimeOffset.UtcNow.AddDays(-3), DateTimeOffset.UtcNow.AddDays(-2)),
            _ => null,
        };
        void Show(SslClientAuthenticationOptions options)
        {
            options.EnabledSslProtocols = version;
            // The callback shows it even if the server names no authority that has issued it.
            options.LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate!;
        }

        if (isTaken)
        {
            using SecureStream client = await SecureStream.ConnectAsync(server.EndPoint, configure: Show);
            await client.EchoAsync();
            string expected = mode == ClientCertificateMode.None || shown == Shown.None ? "none" : "CN=ann";
            Assert.Equal((expected, expected), (seen, (await server.NextClientAsync()).Tls!.ClientCertificate?.Subject ?? "none"));
            return;
        }

        await SecureStream.AssertRefusedAsync(server.EndPoint, configure: Show);
        await Polling.UntilAsync(() => server.Log.Of(26).Count == 1);
        Assert.Null(seen);
    }

    [Fact]
    public async Task A_validation_that_throws_refuses_the_client()
    {
        TlsOptions tls = For("localhost");
        tls.ClientCertificates = ClientCertificateMode.Requested;
        tls.ValidateClientCertificates((_, _, _, _) => throw new InvalidOperationException("The directory is down."));
        await using TestServer server = await StartAsync(tls);
        using X509Certificate2 ann = TestAuthority.Root.Issue("ann");
        await SecureStream.AssertRefusedAsync(server.EndPoint, configure: options => options.LocalCertificateSelectionCallback = (_, _, _, _, _) => ann);
        // That is the host's fault, so the host is told.
        await Polling.UntilAsync(() => server.Log.Of(35).Count == 1);
        Assert.Equal("The directory is down.", server.Log.Of(35)[0].Exception?.GetBaseException().Message);
        using SecureStream other = await SecureStream.ConnectAsync(server.EndPoint);
        await other.EchoAsync();
    }

    [Fact]
    public async Task Settings_of_the_framework_are_used_as_they_are()
    {
        using X509Certificate2 certificate = TestAuthority.Root.Issue("localhost");
        await using TestServer server = await StartAsync(new SslServerAuthenticationOptions
        {
            ServerCertificateSelectionCallback = (_, _) => certificate,
            EnabledSslProtocols = SslProtocols.Tls12,
        });
        using SecureStream client = await SecureStream.ConnectAsync(server.EndPoint, configure: options => options.ApplicationProtocols = [SslApplicationProtocol.Http11]);
        await client.EchoAsync();
        Assert.Equal((SslProtocols.Tls12, SslApplicationProtocol.Http11), (client.Tls.SslProtocol, client.Tls.NegotiatedApplicationProtocol));
    }

    [Fact]
    public async Task A_selection_of_the_host_that_throws_refuses_the_client()
    {
        await using TestServer server = await StartAsync(new SslServerAuthenticationOptions
        {
            ServerCertificateSelectionCallback = (_, _) => throw new InvalidOperationException("The vault is closed."),
        });
        await SecureStream.AssertRefusedAsync(server.EndPoint);
        // That is the host's fault, so the host is told.
        await Polling.UntilAsync(() => server.Log.Of(35).Count == 1);
        Assert.Equal("The vault is closed.", server.Log.Of(35)[0].Exception?.GetBaseException().Message);
    }
}
