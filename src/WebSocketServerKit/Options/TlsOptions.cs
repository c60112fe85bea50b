using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit;

/// <summary>
/// How the server speaks TLS at an end point: <c>options.Listen("https://*:8443", TlsOptions.FromPem("fullchain.pem", "privkey.pem"))</c>. Not thread-safe; read when the server begins to listen.
/// </summary>
/// <remarks>
/// <para>
/// The files of a certificate are looked at every 10 seconds. New contents are used for new connections, without a restart. Contents that cannot be used are logged, and the certificate of
/// before stays. 14 days before a certificate expires, that is logged once a day.
/// </para>
/// <para>The TLS handshake counts as part of the opening handshake, for its timeout and its limits. It offers the protocol <c>http/1.1</c> (ALPN).</para>
/// </remarks>
public sealed class TlsOptions
{
    private const string Ways = "Use TlsOptions.FromPem, FromPfx, FromCertificate or SelfSigned, or set CertificateFile";

    // Not public: the configuration binding source generator warns about public properties whose type it cannot bind.
    private X509Certificate2? _certificate;
    private X509Certificate2Collection? _chain;
    private RemoteCertificateValidationCallback? _validation;
    private SslServerAuthenticationOptions? _authentication;

    /// <summary>
    /// The file of the server's certificate: PKCS #12 (<c>.pfx</c>) with its private key, or PEM: the server's certificate first, then those of the authorities that issued it, as in
    /// <c>fullchain.pem</c>. Default: null.
    /// </summary>
    public string? CertificateFile { get; set; }

    /// <summary>The PEM file of the private key. Default: null; then the key is in <see cref="CertificateFile"/>.</summary>
    public string? KeyFile { get; set; }

    /// <summary>The password of the private key. Default: null, for a key without one.</summary>
    public string? Password { get; set; }

    /// <summary>The versions of TLS. Default: 1.2 and 1.3. Older ones are not safe.</summary>
    public SslProtocols Protocols { get; set; } = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>
    /// Whether clients show a certificate. Default: <see cref="ClientCertificateMode.None"/>. Its chain must lead to an authority that this machine trusts;
    /// <see cref="ValidateClientCertificates"/> sets another rule. Handlers see it as <see cref="WebSocketClient.Tls"/>.
    /// </summary>
    public ClientCertificateMode ClientCertificates { get; set; }

    /// <summary>
    /// Other options for clients that ask for one of these host names (SNI): <c>example.com</c>, or <c>*.example.com</c> for names with one more label. Default: none. Clients that name another
    /// host, or none, get the certificate of these options; without one they are refused.
    /// </summary>
    public IDictionary<string, TlsOptions> ServerNames { get; set; } = new Dictionary<string, TlsOptions>(StringComparer.OrdinalIgnoreCase);

    private bool HasCertificate => _certificate is not null || CertificateFile is not null || _authentication is not null;

    /// <summary>Uses a certificate from PEM files.</summary>
    /// <param name="certificateFile">See <see cref="CertificateFile"/>.</param>
    /// <param name="keyFile">See <see cref="KeyFile"/>.</param>
    /// <param name="password">See <see cref="Password"/>.</param>
    /// <returns>Options that name the files. They are read when the server begins to listen, which throws an <see cref="IOException"/> if they cannot be used.</returns>
    /// <exception cref="ArgumentException">The name of the certificate's file is null or empty.</exception>
    public static TlsOptions FromPem(string certificateFile, string? keyFile = null, string? password = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(certificateFile);
        return new() { CertificateFile = certificateFile, KeyFile = keyFile, Password = password };
    }

    /// <summary>Uses a certificate from a PKCS #12 file (<c>.pfx</c>, <c>.p12</c>), with the chain that is in it.</summary>
    /// <param name="file">See <see cref="CertificateFile"/>.</param>
    /// <param name="password">See <see cref="Password"/>.</param>
    /// <returns>Options that name the file. It is read when the server begins to listen, which throws an <see cref="IOException"/> if it cannot be used.</returns>
    /// <exception cref="ArgumentException">The name of the file is null or empty.</exception>
    public static TlsOptions FromPfx(string file, string? password = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        return new() { CertificateFile = file, Password = password };
    }

    /// <summary>Uses a certificate of the host application, which remains the owner.</summary>
    /// <param name="certificate">A certificate with its private key.</param>
    /// <param name="chain">The certificates of the authorities that issued it; null for none.</param>
    /// <exception cref="ArgumentException">The certificate has no private key.</exception>
    public static TlsOptions FromCertificate(X509Certificate2 certificate, X509Certificate2Collection? chain = null)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        if (!certificate.HasPrivateKey)
            throw new ArgumentException($"The certificate \"{certificate.Subject}\" has no private key. Load it together with its key.", nameof(certificate));
        return new() { _certificate = certificate, _chain = chain };
    }

    /// <summary>Uses the settings of the framework, for all that this class has no property for: cipher suites, revocation, a certificate that is selected for each connection.</summary>
    /// <param name="authentication">
    /// Settings with a certificate. Used as they are, except that <c>http/1.1</c> is offered if no protocol is named, that <see cref="SslProtocols.None"/> means TLS 1.2 and 1.3, and that there is no renegotiation. The other
    /// properties of this class must not be set, but <see cref="ServerNames"/> may.
    /// </param>
    /// <exception cref="ArgumentException">The settings name no certificate.</exception>
    public static TlsOptions FromAuthentication(SslServerAuthenticationOptions authentication)
    {
        ArgumentNullException.ThrowIfNull(authentication);
        if (authentication is { ServerCertificate: null, ServerCertificateContext: null, ServerCertificateSelectionCallback: null })
            throw new ArgumentException("The settings name no certificate: set ServerCertificateContext, ServerCertificate or ServerCertificateSelectionCallback.", nameof(authentication));
        return new() { _authentication = authentication };
    }

    /// <summary>The same as <see cref="FromAuthentication"/>.</summary>
    /// <param name="authentication">See <see cref="FromAuthentication"/>.</param>
    /// <exception cref="ArgumentException">The settings name no certificate.</exception>
    public static implicit operator TlsOptions(SslServerAuthenticationOptions authentication) => FromAuthentication(authentication);

    /// <summary>
    /// Makes a certificate that nobody has issued, for development and tests: clients have to be told to trust it, or to skip the check. It exists in memory only, and is valid for a year.
    /// </summary>
    /// <param name="names">The host names and IP addresses that it is for. Default: <c>localhost</c>, 127.0.0.1 and ::1.</param>
    public static TlsOptions SelfSigned(params IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return FromCertificate(SelfSignedCertificate.Create([.. names]));
    }

    /// <summary>Sets the rule for the certificates of clients, in place of the one of the machine.</summary>
    /// <param name="validation">
    /// Called during the TLS handshake, on a thread of the pool; true accepts the client. Not called for clients without a certificate. An exception refuses the client.
    /// </param>
    /// <returns>These options.</returns>
    public TlsOptions ValidateClientCertificates(RemoteCertificateValidationCallback validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        _validation = validation;
        return this;
    }

    /// <summary>Says what is wrong with the options, or null. Does not access files.</summary>
    internal string? Check()
    {
        if (!HasCertificate && ServerNames is not { Count: > 0 })
            return $"it has no certificate. {Ways}.";
        if (_certificate is not null && CertificateFile is not null)
            return "it has two certificates: one of FromCertificate, and CertificateFile. Use one.";
        if (CertificateFile is null && (KeyFile is not null || Password is not null))
            return "it has a KeyFile or a Password, and no CertificateFile.";
        if (!Enum.IsDefined(ClientCertificates))
            return $"its ClientCertificates is {ClientCertificates}; it must be one of {string.Join(", ", Enum.GetNames<ClientCertificateMode>())}.";
        if (_validation is not null && ClientCertificates == ClientCertificateMode.None)
            return "it validates the certificates of clients, which are not asked for: set ClientCertificates to Requested or Required.";
        if (_authentication is not null && (_certificate is not null || CertificateFile is not null || ClientCertificates != ClientCertificateMode.None || Protocols != new TlsOptions().Protocols))
            return "it has settings of the framework (FromAuthentication) and properties of its own. Set ClientCertificateRequired, EnabledSslProtocols and the like there.";
        foreach ((string name, TlsOptions options) in ServerNames ?? ImmutableDictionary<string, TlsOptions>.Empty)
        {
            if (Uri.CheckHostName(name.StartsWith("*.", StringComparison.Ordinal) ? name[2..] : name) != UriHostNameType.Dns)
                return $"its ServerNames has \"{name}\", which is no host name: write \"example.com\", or \"*.example.com\" for names with one more label.";
            if (options is null or { HasCertificate: false })
                return $"its ServerNames has no certificate for \"{name}\". {Ways}.";
            if (options.ServerNames is { Count: > 0 })
                return $"its ServerNames has ServerNames of its own for \"{name}\". List all names in one place.";
            if (options.Check() is { } problem)
                return $"for the name \"{name}\" {problem}";
        }

        return null;
    }

    /// <summary>Reads the certificates.</summary>
    /// <exception cref="IOException">A file cannot be used; the message says why.</exception>
    internal TlsAuthentication ToAuthentication() => new(
        (ServerNames ?? ImmutableDictionary<string, TlsOptions>.Empty).Select(entry => new KeyValuePair<string, TlsHost>(entry.Key, entry.Value.ToHost())), HasCertificate ? ToHost() : null);

    private TlsHost ToHost()
    {
        if (_authentication is not null)
            return new TlsHost(_ => Copy(_authentication), certificate: null);
        return CertificateFile is not null
            ? new TlsHost(Settings, new CertificateFile(Path.GetFullPath(CertificateFile), KeyFile is null ? null : Path.GetFullPath(KeyFile), Password))
            : new TlsHost(Settings, Transport.Tls.CertificateFile.CreateContext(_certificate!, _chain));
    }

    private SslServerAuthenticationOptions Settings(SslStreamCertificateContext? certificate) => new()
    {
        ServerCertificateContext = certificate,
        EnabledSslProtocols = Protocols,
        ClientCertificateRequired = ClientCertificates != ClientCertificateMode.None,
        RemoteCertificateValidationCallback = ClientCertificates == ClientCertificateMode.None ? null : Validator(ClientCertificates == ClientCertificateMode.Required, _validation),
    };

    private static RemoteCertificateValidationCallback Validator(bool isRequired, RemoteCertificateValidationCallback? validation) => (sender, certificate, chain, errors) =>
        certificate is null ? !isRequired
        : validation is null ? errors == SslPolicyErrors.None
        : validation(sender, certificate, chain, errors);

    // The host's object may be in use elsewhere.
    private static SslServerAuthenticationOptions Copy(SslServerAuthenticationOptions from)
    {
        SslServerAuthenticationOptions copy = new()
        {
            AllowRenegotiation = false, // a reader that waits for records by itself cannot do it, and TLS 1.3 has done away with it
            AllowTlsResume = from.AllowTlsResume,
            ApplicationProtocols = from.ApplicationProtocols,
            CertificateChainPolicy = from.CertificateChainPolicy,
            CertificateRevocationCheckMode = from.CertificateRevocationCheckMode,
            CipherSuitesPolicy = from.CipherSuitesPolicy,
            ClientCertificateRequired = from.ClientCertificateRequired,
            EnabledSslProtocols = from.EnabledSslProtocols,
            EncryptionPolicy = from.EncryptionPolicy,
            RemoteCertificateValidationCallback = from.RemoteCertificateValidationCallback,
            ServerCertificate = from.ServerCertificate,
            ServerCertificateContext = from.ServerCertificateContext
                ?? (from is { ServerCertificate: X509Certificate2 { HasPrivateKey: true } certificate, ServerCertificateSelectionCallback: null } ? Transport.Tls.CertificateFile.CreateContext(certificate, null) : null),
            ServerCertificateSelectionCallback = from.ServerCertificateSelectionCallback,
        };
        // Elsewhere they cannot be set.
        if (OperatingSystem.IsLinux() || OperatingSystem.IsWindows())
            (copy.AllowRsaPkcs1Padding, copy.AllowRsaPssPadding) = (from.AllowRsaPkcs1Padding, from.AllowRsaPssPadding);
        return copy;
    }
}
