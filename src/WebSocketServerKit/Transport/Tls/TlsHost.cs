using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace WebSocketServerKit.Transport.Tls;

/// <summary>
/// The TLS settings for one host name. The certificate comes from a file, which <see cref="Refresh"/> reads again, or from the host application.
/// Thread-safe.
/// </summary>
internal sealed class TlsHost
{
    private readonly Func<SslStreamCertificateContext?, SslServerAuthenticationOptions> _settings;
    private readonly CertificateFile? _file;
    private SslServerAuthenticationOptions? _current;

    /// <param name="settings">Makes the settings for a certificate.</param>
    /// <param name="certificate">The certificate, or null if the settings name it themselves.</param>
    public TlsHost(Func<SslStreamCertificateContext?, SslServerAuthenticationOptions> settings, SslStreamCertificateContext? certificate)
    {
        _settings = settings;
        Use(certificate);
    }

    /// <param name="settings">Makes the settings for a certificate.</param>
    /// <param name="file">The file with the certificate.</param>
    /// <exception cref="IOException">The file cannot be used; the message says why.</exception>
    public TlsHost(Func<SslStreamCertificateContext?, SslServerAuthenticationOptions> settings, CertificateFile file)
    {
        _settings = settings;
        _file = file;
        file.TryRead(out SslStreamCertificateContext? certificate, out string? problem);
        Use(certificate ?? throw new IOException(problem));
    }

    /// <summary>The settings for the next connection.</summary>
    public SslServerAuthenticationOptions Current => Volatile.Read(ref _current)!;

    /// <summary>The certificate in use; null if the application selects one for each connection.</summary>
    public X509Certificate2? Certificate => Current.ServerCertificateContext?.TargetCertificate ?? Current.ServerCertificate as X509Certificate2;

    /// <summary>Reads the file again, and takes its certificate for new connections if the file has changed.</summary>
    /// <param name="problem">Why a changed file cannot be used; then the certificate of before stays. Null if there is no problem, and when it was reported before.</param>
    /// <returns>Whether there is another certificate.</returns>
    public bool Refresh(out string? problem)
    {
        problem = null;
        if (_file is null || !_file.TryRead(out SslStreamCertificateContext? certificate, out problem))
            return false;
        Use(certificate);
        return true;
    }

    private void Use(SslStreamCertificateContext? certificate)
    {
        SslServerAuthenticationOptions settings = _settings(certificate);
        // RFC 7301: what the connection is for. A client that offers other protocols only is refused by TLS.
        settings.ApplicationProtocols ??= [SslApplicationProtocol.Http11];
        if (settings.EnabledSslProtocols == SslProtocols.None)
            settings.EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        Volatile.Write(ref _current, settings);
    }
}
