using System.Net;

namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Decides for which hosts the server answers. Immutable, so one object serves all connections.</summary>
/// <remarks>
/// Protects against DNS rebinding: the owner of a name can let it resolve to this machine. A browser then treats the server as the host of the owner's page.
/// The origin and the host of the request agree, and only the name shows the attack. IP addresses and <c>localhost</c> cannot be rebound.
/// </remarks>
internal sealed class HostRules
{
    private readonly bool _allowsAll;
    private readonly AllowedHost[] _allowed;

    /// <param name="allowedHosts">
    /// <c>example.com</c>, <c>example.com:8080</c>, <c>*.example.com</c> for every name below it, or <c>*</c> for all. None: on a loopback address those that
    /// no foreign page can have, elsewhere all.
    /// </param>
    /// <exception cref="ArgumentException">An entry is no host; the message is that of <see cref="Validate"/>.</exception>
    public HostRules(IEnumerable<string> allowedHosts)
    {
        List<AllowedHost> allowed = [];
        foreach (string entry in allowedHosts)
        {
            if (Validate(entry) is { } problem)
                throw new ArgumentException(problem, nameof(allowedHosts));

            _allowsAll |= entry is "*";
            bool isBelow = entry.StartsWith("*.", StringComparison.Ordinal);
            if (Authority.TryParse(isBelow ? entry.AsSpan(2) : entry, out ReadOnlySpan<char> host, out int? port))
                allowed.Add(new((isBelow ? "." : "") + WithoutLastDot(host).ToString(), isBelow, port));
        }

        _allowed = [.. allowed];
    }

    /// <summary>Whether the host names the hosts itself. Then that holds for every request.</summary>
    public bool AreListed => _allowed.Length > 0;

    /// <summary>Says what is wrong with an entry of the list, or <see langword="null"/> if nothing is.</summary>
    public static string? Validate(string entry)
    {
        if (entry is "*")
            return null;
        if (entry is "")
            return "an entry is empty: write a host such as \"example.com\", or leave the list empty.";
        if (entry.Contains("://", StringComparison.Ordinal))
            return $"\"{entry}\" is a URL: write its host alone, such as \"example.com\" or \"example.com:8080\".";

        ReadOnlySpan<char> host = entry.StartsWith("*.", StringComparison.Ordinal) ? entry.AsSpan(2) : entry;
        if (host.Contains('*'))
            return $"\"{entry}\" has a wildcard where none can be: write \"*.example.com\" for all names below example.com, or \"*\" for every host.";
        if (!host.StartsWith('[') && IPAddress.TryParse(host, out IPAddress? address) && address.ToString().Contains(':', StringComparison.Ordinal))
            return $"\"{entry}\" is an IPv6 address: write it in brackets, \"[{address}]\".";
        if (!Authority.TryParse(host, out ReadOnlySpan<char> name, out _))
            return $"\"{entry}\" is no host: write a name or an address and, if needed, a port: \"example.com:8080\". Write international names in their \"xn--\" form.";
        if (host.Length < entry.Length && IsAddress(name))
            return $"\"{entry}\" has names below an address, which do not exist: write the address alone.";

        return null;
    }

    /// <summary>The entry of the list that lets requests for this host in, whatever their port; <see langword="null"/> for a request that names none.</summary>
    public static string? EntryFor(string host) => Authority.TryParse(host, out ReadOnlySpan<char> name, out _) ? WithoutStars(name) : null;

    /// <summary>Whether the server answers a request for this host.</summary>
    /// <param name="host">The host, with its port if named, to which the client believes to be talking; empty if it names none.</param>
    /// <param name="localAddress">The address of this machine at which the request arrived.</param>
    public bool Allows(string host, IPAddress localAddress)
    {
        if (_allowsAll)
            return true;
        // Browsers always send a host, so this request does not come from a page.
        if (!AreListed && (host is "" || !IPAddress.IsLoopback(localAddress)))
            return true;
        if (!Authority.TryParse(host, out ReadOnlySpan<char> name, out int? port))
            return false;

        name = WithoutLastDot(name);
        if (!AreListed)
            return IsAddress(name) || IsLocalhost(name);

        foreach (AllowedHost allowed in _allowed)
        {
            if (allowed.Matches(name, port))
                return true;
        }

        return false;
    }

    // Browsers treat forms such as "127.1" as addresses too, as IPAddress does.
    private static bool IsAddress(ReadOnlySpan<char> host) => host.StartsWith('[') || IPAddress.TryParse(host, out _);

    // RFC 6761 6.3: "The domain "localhost." and any names falling within ".localhost." are special […]: Users may assume that IPv4 and IPv6 address queries
    // for localhost names will always resolve to the respective IP loopback address."
    private static bool IsLocalhost(ReadOnlySpan<char> host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase);

    // "example.com." is the fully qualified form of "example.com".
    private static ReadOnlySpan<char> WithoutLastDot(ReadOnlySpan<char> host) => host is [.. var name, '.'] ? name : host;

    // RFC 3986 lets a name have a star; no entry can.
    private static string? WithoutStars(ReadOnlySpan<char> name) => name.Contains('*') ? null : name.ToString();

    private readonly record struct AllowedHost(string Name, bool IsBelow, int? Port)
    {
        // The scheme behind a proxy is unknown, so a host without a port stands for either default port.
        public bool Matches(ReadOnlySpan<char> name, int? port) =>
            (Port is null || Port == port || (port is null && Port is 80 or 443))
            && (IsBelow
                ? name.Length > Name.Length && name.EndsWith(Name, StringComparison.OrdinalIgnoreCase)
                : name.Equals(Name, StringComparison.OrdinalIgnoreCase));
    }
}
