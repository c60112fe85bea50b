using System.Net.Security;
using System.Security.Authentication;

namespace WebSocketServerKit.Transport.Tls;

/// <summary>The server's side of TLS handshakes: selects the settings by the host name that the client asks for (SNI). Immutable; thread-safe.</summary>
internal sealed class TlsAuthentication
{
    private readonly TlsHost? _other;
    private readonly Dictionary<string, TlsHost> _byName;

    /// <param name="byName">The settings by host name; <c>*.example.com</c> stands for every name with one label more than <c>example.com</c>.</param>
    /// <param name="other">The settings for all other clients; null refuses them.</param>
    public TlsAuthentication(IEnumerable<KeyValuePair<string, TlsHost>> byName, TlsHost? other)
    {
        _byName = new Dictionary<string, TlsHost>(byName, StringComparer.OrdinalIgnoreCase);
        _other = other;
    }

    /// <summary>All settings, each once.</summary>
    public IEnumerable<TlsHost> Hosts => _other is null ? _byName.Values : _byName.Values.Append(_other);

    /// <exception cref="AuthenticationException">The peer does not agree, or its certificate is refused.</exception>
    /// <exception cref="IOException">The connection is lost.</exception>
    // Without names the handshake is a little cheaper: nothing parses the client's hello twice.
    public Task RunAsync(SslStream stream) => _byName.Count == 0 && _other is not null
        ? stream.AuthenticateAsServerAsync(_other.Current)
        : stream.AuthenticateAsServerAsync(
            static (_, hello, authentication, _) => new ValueTask<SslServerAuthenticationOptions>(((TlsAuthentication)authentication!).Select(hello.ServerName).Current), this);

    /// <summary>The settings for a client.</summary>
    /// <param name="name">The host name that it asks for; empty if it names none.</param>
    /// <exception cref="AuthenticationException">There are none.</exception>
    public TlsHost Select(string name)
    {
        if (_byName.TryGetValue(name, out TlsHost? host))
            return host;
        int dot = name.IndexOf('.', StringComparison.Ordinal);
        if (dot > 0 && _byName.TryGetValue($"*{name[dot..]}", out host))
            return host;
        return _other ?? throw new AuthenticationException(name is "" ? "the client names no host, and there is no certificate for that" : "there is no certificate for the host that the client names");
    }
}
