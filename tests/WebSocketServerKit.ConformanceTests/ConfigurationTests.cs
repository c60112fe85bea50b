using Microsoft.Extensions.Configuration;

namespace WebSocketServerKit;

/// <summary>Binding goes through generated code: the project turns the generator on.</summary>
public sealed class ConfigurationTests
{
    private static WebSocketServerOptions Bind(params (string Key, string? Value)[] entries)
    {
        IConfiguration configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(entries.Select(entry => KeyValuePair.Create(entry.Key, entry.Value)))
            .Build();
        WebSocketServerOptions options = new();
        configuration.Bind(options);
        return options;
    }

    [Fact]
    public void Options_bind_from_a_configuration()
    {
        WebSocketServerOptions options = Bind(
            ("Urls:0", "http://localhost:8080"), ("Urls:1", "unix:/run/app.sock"), ("AllowedOrigins:0", "https://app.example"), ("PingInterval", "00:00:15"),
            ("MaxClients", "7"), ("MaxBytesPerSecond", "1000"), ("HandlerExceptions", "KeepClient"), ("SlowClients", "DropOldest"), ("PerMessageDeflate:MinMessageSize", "64"));
        options.Validate();
        Assert.Equal(["http://localhost:8080", "unix:/run/app.sock"], options.Urls);
        Assert.Equal(["https://app.example"], options.AllowedOrigins);
        Assert.Equal((TimeSpan.FromSeconds(15), 7, (long?)1000), (options.PingInterval, options.MaxClients, options.MaxBytesPerSecond));
        Assert.Equal(HandlerExceptionPolicy.KeepClient, options.HandlerExceptions);
        Assert.Equal(SlowClientPolicy.DropOldest, options.SlowClients);
        Assert.Equal(64, options.PerMessageDeflate?.MinMessageSize);
    }

    [Fact]
    public void Where_to_listen_TLS_and_proxies_bind_from_a_configuration()
    {
        WebSocketServerOptions options = Bind(
            ("Urls:0", "http://localhost:8080"), ("Urls:1", "https://*:8443"), ("TrustedProxies:0", "10.0.0.0/8"), ("ForwardedHeaders", "XForwarded"),
            ("ListenDefaults:Backlog", "100"), ("ListenDefaults:SocketFileMode", "UserRead, UserWrite, GroupRead, GroupWrite"), ("ListenDefaults:TcpKeepAliveTime", "00:01:00"),
            ("ListenDefaults:Tls:CertificateFile", "/tls/tls.crt"), ("ListenDefaults:Tls:KeyFile", "/tls/tls.key"), ("ListenDefaults:Tls:Protocols", "Tls13"),
            ("ListenDefaults:Tls:ClientCertificates", "Requested"), ("ListenDefaults:Tls:ServerNames:chat.example.org:CertificateFile", "/etc/ssl/chat.pfx"),
            ("ListenDefaults:Tls:ServerNames:chat.example.org:Password", "x"));
        options.Validate();
        Assert.Equal(("10.0.0.0/8", ForwardedHeaderKind.XForwarded), (Assert.Single(options.TrustedProxies), options.ForwardedHeaders));
        ListenOptions listen = options.ListenDefaults;
        Assert.Equal((100, (UnixFileMode)0b110_110_000, TimeSpan.FromMinutes(1)), (listen.Backlog, listen.SocketFileMode, listen.TcpKeepAliveTime));
        TlsOptions tls = listen.Tls!;
        Assert.Equal(("/tls/tls.crt", "/tls/tls.key", ClientCertificateMode.Requested), (tls.CertificateFile, tls.KeyFile, tls.ClientCertificates));
        Assert.Equal(System.Security.Authentication.SslProtocols.Tls13, tls.Protocols);
        Assert.Equal(("/etc/ssl/chat.pfx", "x"), (tls.ServerNames["CHAT.example.org"].CertificateFile, tls.ServerNames["chat.example.org"].Password));
    }

    [Theory]
    [InlineData("HandshakeTimeout")]
    [InlineData("PingInterval")]
    [InlineData("PingTimeout")]
    [InlineData("CloseTimeout")]
    [InlineData("MaxCloseDuration")]
    [InlineData("StopTimeout")]
    [InlineData("SlowHandlerThreshold")]
    [InlineData("StreamedMessageTimeout")]
    public void A_number_alone_would_be_days_and_is_refused_with_the_right_spelling(string option)
    {
        WebSocketServerOptions options = Bind(("Urls:0", "http://localhost:8080"), (option, "15"));
        string message = Assert.Throws<ArgumentException>(options.Validate).Message;
        Assert.StartsWith($"WebSocketServerOptions.{option} is 15.00:00:00", message, StringComparison.Ordinal);
        Assert.EndsWith("In a configuration \"15\" means 15 days: write \"00:00:15\" for 15 seconds.", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lists_are_set_by_collection_expressions()
    {
        WebSocketServerOptions options = new() { Urls = ["http://*:0"], AllowedHosts = ["a.example"], AllowedOrigins = ["*"], Subprotocols = ["chat"] };
        options.Listen("unix:/run/app.sock").Validate();
        Assert.Equal(["http://*:0", "unix:/run/app.sock"], options.Urls);
    }
}
