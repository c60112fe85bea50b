using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Options;

/// <summary>Which addresses a <see cref="ListenAddress"/> stands for.</summary>
internal enum ListenScope : byte
{
    /// <summary>The end point alone.</summary>
    EndPoint,

    /// <summary>127.0.0.1 and [::1], with the port of the end point.</summary>
    Localhost,

    /// <summary>Every address, IPv4 and IPv6, with the port of the end point.</summary>
    Everywhere,
}

/// <summary>
/// An address to listen on, parsed from a text such as <c>http://localhost:8080</c>. Parsing accesses neither the network nor the file system. Immutable.
/// </summary>
/// <param name="EndPoint">The end point.</param>
/// <param name="Scope">The addresses beside that of <paramref name="EndPoint"/>.</param>
/// <param name="IsSecure">Whether clients speak TLS there; null if the text does not say, and for an end point.</param>
/// <param name="Text">The text; null for an end point.</param>
internal sealed record ListenAddress(EndPoint EndPoint, ListenScope Scope = ListenScope.EndPoint, bool? IsSecure = null, string? Text = null)
{
    private const string Example = "\"http://localhost:8080\"";

    /// <summary>The reason why the text is no address to listen on, or <see langword="null"/> if it is one.</summary>
    public static string? Validate(string? text) => TryParse(text, out _, out string? problem) ? null : problem;

    /// <summary>Parses a text that <see cref="Validate"/> accepts.</summary>
    /// <exception cref="FormatException">The text is not an address to listen on; the message shows the correct form.</exception>
    public static ListenAddress Parse(string text) => TryParse(text, out ListenAddress? address, out string? problem) ? address : throw new FormatException(problem);

    public static bool TryParse(string? text, [NotNullWhen(true)] out ListenAddress? address, [NotNullWhen(false)] out string? problem)
    {
        address = null;
        problem = Read(text, ref address);
        return address is not null;
    }

    private static string Read(string? text, ref ListenAddress? address)
    {
        if (string.IsNullOrWhiteSpace(text))
            return $"an entry is empty: write where to listen, such as {Example}.";
        if (text.StartsWith("unix:", StringComparison.OrdinalIgnoreCase))
            return ReadPath(text, text["unix:".Length..], isSecure: null, ref address);

        int end = text.IndexOf("://", StringComparison.Ordinal);
        if (end < 0)
            return $"\"{text}\" has no scheme: write http:// in front, such as {Example}.";
        if (ReadScheme(text[..end]) is not { } isSecure)
            return $"\"{text}\" has a scheme that the server does not speak: write http:// or ws://, such as {Example}, or unix: and a path.";

        string authority = text[(end + 3)..];
        if (authority.StartsWith("unix:", StringComparison.OrdinalIgnoreCase))
            return ReadPath(text, authority["unix:".Length..], isSecure, ref address);
        if (authority.EndsWith('/'))
            authority = authority[..^1];
        if (authority.AsSpan().ContainsAny("/?#\\"))
            return $"\"{text}\" has a path: write scheme, host and port alone, such as {Example}. A Handshaking handler can refuse paths.";
        if (authority.Contains('@', StringComparison.Ordinal))
            return $"\"{text}\" has user information, which a server has no use for: write scheme, host and port alone, such as {Example}.";
        return ReadAuthority(text, authority, isSecure, ref address);
    }

    private static bool? ReadScheme(string scheme) => scheme.ToUpperInvariant() switch
    {
        "HTTP" or "WS" => false,
        "HTTPS" or "WSS" => true,
        _ => null,
    };

    private static string ReadAuthority(string text, string authority, bool? isSecure, ref ListenAddress? address)
    {
        int endOfHost = authority.LastIndexOf(':');
        if (endOfHost >= 0 && authority.LastIndexOf(']') > endOfHost)
            endOfHost = -1;
        string host = endOfHost < 0 ? authority : authority[..endOfHost];
        if (IPAddress.TryParse(authority, out IPAddress? bare) && bare.AddressFamily == AddressFamily.InterNetworkV6 && !authority.StartsWith('['))
            return $"\"{text}\" has an IPv6 address without brackets: write \"http://[{authority}]:8080\".";
        if (host.Length == 0)
            return $"\"{text}\" names no host: write {Example} for this machine alone, or \"http://*:8080\" for every address.";
        if (endOfHost < 0)
            return $"\"{text}\" names no port: write one behind the host, such as \"http://{host}:8080\". Port 0 lets the system choose.";
        if (!ushort.TryParse(authority.AsSpan(endOfHost + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            return $"\"{text}\" has no possible port: write a number from 0 to 65535, such as \"http://{host}:8080\".";

        address = ReadHost(host) is var (ip, scope) ? new ListenAddress(new IPEndPoint(ip, port), scope, isSecure, text) : null;
        return $"\"{text}\" names a host that is no address: write localhost, * for every address, or an address of this machine, such as \"http://192.0.2.1:8080\". "
            + "List host names that clients may use in AllowedHosts.";
    }

    private static (IPAddress Address, ListenScope Scope)? ReadHost(string host)
    {
        if (host is "*" or "+")
            return (IPAddress.IPv6Any, ListenScope.Everywhere);
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            return (IPAddress.Loopback, ListenScope.Localhost);
        if (host is ['[', .. var inner, ']'])
            return inner.Contains(':', StringComparison.Ordinal) && !inner.StartsWith('[') && IPAddress.TryParse(inner, out IPAddress? ipv6) ? (ipv6, ListenScope.EndPoint) : null;
        // IPAddress accepts "1" and "127.1" too, which are more often typing errors than addresses.
        return IPAddress.TryParse(host, out IPAddress? ipv4) && ipv4.ToString() == host ? (ipv4, ListenScope.EndPoint) : null;
    }

    private static string ReadPath(string text, string path, bool? isSecure, ref ListenAddress? address)
    {
        // unix:///run/app.sock is a common spelling too.
        if (path.StartsWith("///", StringComparison.Ordinal))
            path = path[2..];
        if (path.StartsWith("//", StringComparison.Ordinal) || !Path.IsPathFullyQualified(path))
            return $"\"{text}\" does not have the whole path of a socket: write it from the root on, such as \"unix:/run/app.sock\".";
        try
        {
            address = new ListenAddress(new UnixDomainSocketEndPoint(path), ListenScope.EndPoint, isSecure, text);
            return "";
        }
        catch (ArgumentException)
        {
            return $"\"{text}\" has a path that is too long for a Unix domain socket: systems have room for about 100 bytes.";
        }
    }
}
