using System.Net.Security;
using System.Reflection;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.TestKit;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.Options;

public sealed class TlsOptionsTests
{
    private static readonly RemoteCertificateValidationCallback Nobody = (_, _, _, _) => false;

    private static TlsOptions Complete() => TlsOptions.FromCertificate(TlsPair.Certificate);

    private static SslServerAuthenticationOptions SettingsOf(TlsOptions options) => options.ToAuthentication().Hosts.Last().Current;

    public static TheoryData<string, TlsOptions> Impossible => new()
    {
        { "it has no certificate. Use TlsOptions.FromPem", new() },
        { "it has two certificates", Change(Complete(), o => o.CertificateFile = "a.pem") },
        { "it has a KeyFile or a Password, and no CertificateFile", new() { KeyFile = "key.pem", ServerNames = { ["example.com"] = Complete() } } },
        { "its ClientCertificates is 7; it must be one of None, Requested, Required.", Change(Complete(), o => o.ClientCertificates = (ClientCertificateMode)7) },
        { "it validates the certificates of clients, which are not asked for", Complete().ValidateClientCertificates(Nobody) },
        { "it has settings of the framework", Change(new SslServerAuthenticationOptions { ServerCertificate = TlsPair.Certificate }, o => o.ClientCertificates = ClientCertificateMode.Required) },
        { "its ServerNames has \"http://example.com\", which is no host name", Change(Complete(), o => o.ServerNames["http://example.com"] = Complete()) },
        { "its ServerNames has \"127.0.0.1\", which is no host name", Change(Complete(), o => o.ServerNames["127.0.0.1"] = Complete()) },
        { "its ServerNames has no certificate for \"example.com\"", Change(Complete(), o => o.ServerNames["example.com"] = new()) },
        { "its ServerNames has no certificate for \"example.com\"", Change(Complete(), o => o.ServerNames["example.com"] = null!) },
        { "its ServerNames has ServerNames of its own for \"*.example.com\"", Change(Complete(), o => o.ServerNames["*.example.com"] = Change(Complete(), n => n.ServerNames["a.example.com"] = Complete())) },
        { "for the name \"example.com\" it has two certificates", Change(Complete(), o => o.ServerNames["example.com"] = Change(Complete(), n => n.CertificateFile = "a.pem")) },
    };

    private static TlsOptions Change(TlsOptions options, Action<TlsOptions> change)
    {
        change(options);
        return options;
    }

    [Theory]
    [MemberData(nameof(Impossible), DisableDiscoveryEnumeration = true)]
    public void What_is_wrong_is_said(string problem, TlsOptions options) => Assert.StartsWith(problem, options.Check(), StringComparison.Ordinal);

    [Fact]
    public void Each_way_to_a_certificate_is_complete()
    {
        Assert.Null(Complete().Check());
        Assert.Null(TlsOptions.FromPem("fullchain.pem", "privkey.pem").Check());
        Assert.Null(TlsOptions.FromPfx("site.pfx", "secret").Check());
        Assert.Null(TlsOptions.SelfSigned().Check());
        Assert.Null(((TlsOptions)new SslServerAuthenticationOptions { ServerCertificateSelectionCallback = (_, _) => TlsPair.Certificate }).Check());
        Assert.Null(new TlsOptions { ServerNames = { ["example.com"] = Complete() } }.Check());
        TlsOptions withoutNames = Change(Complete(), o => o.ServerNames = null!);
        Assert.Null(withoutNames.Check());
        Assert.NotNull(SettingsOf(withoutNames).ServerCertificateContext);
    }

    [Fact]
    public void A_certificate_without_its_key_and_settings_without_a_certificate_are_refused()
    {
        using X509Certificate2 open = X509CertificateLoader.LoadCertificate(TlsPair.Certificate.RawData);
        Assert.Contains("has no private key", Assert.Throws<ArgumentException>(() => TlsOptions.FromCertificate(open)).Message, StringComparison.Ordinal);
        Assert.Contains("name no certificate", Assert.Throws<ArgumentException>(() => TlsOptions.FromAuthentication(new())).Message, StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => TlsOptions.FromPem(""));
        Assert.ThrowsAny<ArgumentException>(() => TlsOptions.FromPfx(null!));
    }

    [Fact]
    public void By_default_clients_are_not_asked_for_certificates_and_speak_1_2_or_1_3()
    {
        SslServerAuthenticationOptions settings = SettingsOf(Complete());
        Assert.False(settings.ClientCertificateRequired);
        Assert.Null(settings.RemoteCertificateValidationCallback);
        Assert.Equal(SslProtocols.Tls12 | SslProtocols.Tls13, settings.EnabledSslProtocols);
        Assert.Equal([SslApplicationProtocol.Http11], settings.ApplicationProtocols!);
        Assert.NotNull(settings.ServerCertificateContext);
    }

    [Theory]
    [InlineData(ClientCertificateMode.Requested, true)]
    [InlineData(ClientCertificateMode.Required, false)]
    public void A_missing_client_certificate_is_accepted_only_if_none_is_required(ClientCertificateMode mode, bool accepted)
    {
        SslServerAuthenticationOptions settings = SettingsOf(Change(Complete(), o => o.ClientCertificates = mode));
        Assert.True(settings.ClientCertificateRequired);
        RemoteCertificateValidationCallback validate = settings.RemoteCertificateValidationCallback!;
        Assert.Equal(accepted, validate(this, null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
        Assert.True(validate(this, TlsPair.Certificate, null, SslPolicyErrors.None));
        Assert.False(validate(this, TlsPair.Certificate, null, SslPolicyErrors.RemoteCertificateChainErrors));
    }

    [Fact]
    public void The_host_s_rule_takes_the_place_of_the_machine_s()
    {
        SslServerAuthenticationOptions settings = SettingsOf(Change(Complete(), o => o.ClientCertificates = ClientCertificateMode.Required)
            .ValidateClientCertificates((_, certificate, _, errors) => certificate!.Subject == "CN=\"localhost\"" || errors != SslPolicyErrors.None));
        Assert.True(settings.RemoteCertificateValidationCallback!(this, TlsPair.Certificate, null, SslPolicyErrors.RemoteCertificateChainErrors));
        Assert.False(settings.RemoteCertificateValidationCallback(this, null, null, SslPolicyErrors.RemoteCertificateNotAvailable));
    }

    [Fact]
    public void Settings_of_the_framework_are_used_as_they_are_and_not_changed()
    {
        SslServerAuthenticationOptions own = new()
        {
            ServerCertificate = TlsPair.Certificate,
            EnabledSslProtocols = SslProtocols.Tls13,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = Nobody,
            AllowTlsResume = false,
            CertificateRevocationCheckMode = X509RevocationMode.Offline,
        };
        SslServerAuthenticationOptions settings = SettingsOf(own);
        Assert.Equal((own.EnabledSslProtocols, true, Nobody), (settings.EnabledSslProtocols, settings.ClientCertificateRequired, settings.RemoteCertificateValidationCallback));
        Assert.Equal((false, X509RevocationMode.Offline), (settings.AllowTlsResume, settings.CertificateRevocationCheckMode));
        // Made once, in place of at each handshake.
        Assert.NotNull(settings.ServerCertificateContext);
        Assert.Null(own.ApplicationProtocols);
        Assert.Null(own.ServerCertificateContext);
    }

    [Fact]
    public void Every_switch_of_the_framework_is_taken_over_but_that_of_renegotiation()
    {
        foreach (PropertyInfo flag in typeof(SslServerAuthenticationOptions).GetProperties().Where(property => property.PropertyType == typeof(bool)))
        {
            SslServerAuthenticationOptions own = new() { ServerCertificate = TlsPair.Certificate };
            bool turned = !(bool)flag.GetValue(own)!;
            flag.SetValue(own, turned);
            bool expected = turned && flag.Name != nameof(own.AllowRenegotiation);
            Assert.Equal((flag.Name, expected), (flag.Name, (bool)flag.GetValue(SettingsOf(own))!));
        }
    }

    [Fact]
    public void Each_name_has_its_own_settings()
    {
        TlsAuthentication authentication = Change(Complete(), o => o.ServerNames["strict.example"] = Change(Complete(), n => n.Protocols = SslProtocols.Tls13)).ToAuthentication();
        Assert.Equal(SslProtocols.Tls13, authentication.Select("strict.example").Current.EnabledSslProtocols);
        Assert.Equal(SslProtocols.Tls12 | SslProtocols.Tls13, authentication.Select("localhost").Current.EnabledSslProtocols);
    }
}
