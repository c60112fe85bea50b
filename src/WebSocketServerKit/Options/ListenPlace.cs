using System.Net.Sockets;
using WebSocketServerKit.Transport.Sockets;
using WebSocketServerKit.Transport.Tls;

namespace WebSocketServerKit.Options;

/// <summary>A place to listen, as the host application names it. Immutable.</summary>
/// <param name="Address">The address; null for a socket.</param>
/// <param name="Socket">A socket that is bound or listens already; null for an address.</param>
/// <param name="Options">The place's options; null for the defaults.</param>
internal sealed record ListenPlace(ListenAddress? Address, Socket? Socket, ListenOptions? Options)
{
    /// <summary>The name of the place in messages.</summary>
    public string Name => Address?.Text ?? Address?.EndPoint.ToString() ?? "a socket";

    /// <summary>The reason why the server cannot listen here, as a sentence; or null. Does not access files.</summary>
    public string? Check(ListenOptions defaults)
    {
        ListenOptions options = Options ?? defaults;
        if (options.Check() is { } problem)
            return $"{nameof(ListenOptions)}{problem}";
        return Address?.IsSecure switch
        {
            true when (options.Tls ?? defaults.Tls) is null =>
                $"\"{Name}\" needs a certificate: options.Listen(\"{Name}\", TlsOptions.FromPem(\"fullchain.pem\", \"privkey.pem\")), or set ListenDefaults.Tls. TlsOptions.SelfSigned() makes one for development.",
            false when Options?.Tls is not null => $"\"{Name}\" has a certificate and is no https URL: write \"https{Name[Name.IndexOf(':', StringComparison.Ordinal)..]}\".",
            _ => null,
        };
    }

    /// <summary>Everything that is needed to listen.</summary>
    /// <param name="defaults">The options of places without their own.</param>
    /// <param name="authenticate">Reads the certificates of TLS options.</param>
    /// <exception cref="IOException">A certificate cannot be read.</exception>
    public ListenTarget ToTarget(ListenOptions defaults, Func<TlsOptions, TlsAuthentication> authenticate)
    {
        ListenOptions options = Options ?? defaults;
        TlsOptions? tls = Address?.IsSecure switch
        {
            true => options.Tls ?? defaults.Tls,
            false => null,
            _ => options.Tls,
        };
        return new ListenTarget(Address, Socket, options.ToSocketSettings(), tls is null ? null : authenticate(tls), options.ProxyProtocol);
    }
}

/// <summary>A place to listen with everything that is needed for that.</summary>
internal sealed record ListenTarget(ListenAddress? Address, Socket? Socket, SocketSettings Sockets, TlsAuthentication? Tls, bool ProxyProtocol);
