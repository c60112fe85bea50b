using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Proxies;

/// <summary>The proxies that are believed what they tell about their clients. Immutable, so one object serves all connections.</summary>
internal sealed class TrustedProxies
{
    private const string Examples = "write an address such as \"192.0.2.1\", a network such as \"10.0.0.0/8\", \"localhost\" or \"unix\".";

    private static readonly IPNetwork[] Localhost = [IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("::1/128")];

    private readonly IPNetwork[] _networks;
    private readonly bool _hasUnix;

    /// <param name="entries">
    /// Addresses, networks such as <c>10.0.0.0/8</c>, <c>localhost</c> for the loopback addresses, and <c>unix</c> for whoever connects to a Unix domain socket.
    /// </param>
    /// <exception cref="ArgumentException">An entry is none of these; the message is that of <see cref="Validate"/>.</exception>
    public TrustedProxies(IEnumerable<string> entries)
    {
        List<IPNetwork> networks = [];
        foreach (string entry in entries)
        {
            if (Read(entry, networks, ref _hasUnix) is { } problem)
                throw new ArgumentException(problem, nameof(entries));
        }

        _networks = [.. networks];
    }

    /// <summary>Whether nobody is trusted.</summary>
    public bool IsEmpty => _networks.Length == 0 && !_hasUnix;

    /// <summary>Says what is wrong with an entry and what to write in its place, or <see langword="null"/> if nothing is.</summary>
    public static string? Validate(string entry)
    {
        bool hasUnix = false;
        return Read(entry, [], ref hasUnix);
    }

    /// <summary>Whether the peer at the other end of a connection is trusted. One without an address is not.</summary>
    public bool Contains(EndPoint peer) => peer switch
    {
        IPEndPoint ip => Contains(ip.Address),
        UnixDomainSocketEndPoint => _hasUnix,
        _ => false,
    };

    /// <summary>Whether the address is that of a trusted proxy. An IPv4 address in IPv6 form counts as the IPv4 address.</summary>
    public bool Contains(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        foreach (IPNetwork network in _networks)
        {
            if (network.Contains(address))
                return true;
        }

        return false;
    }

    private static string? Read(string entry, List<IPNetwork> networks, ref bool hasUnix)
    {
        if (string.IsNullOrWhiteSpace(entry))
            return $"an entry is empty: {Examples}";
        if (entry is "*")
        {
            return "\"*\" trusts everybody, and then every client can forge its address: write the addresses of your proxies. "
                + "If everybody who can connect is a proxy of yours, write the two networks \"0.0.0.0/0\" and \"::/0\".";
        }

        if (entry.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            networks.AddRange(Localhost);
            return null;
        }

        if (entry.Equals("unix", StringComparison.OrdinalIgnoreCase))
        {
            hasUnix = true;
            return null;
        }

        if (entry.StartsWith("unix:", StringComparison.OrdinalIgnoreCase))
            return $"\"{entry}\" has a path, but who connects to a Unix domain socket has none: write \"unix\".";

        int slash = entry.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? ReadAddress(entry, networks) : ReadNetwork(entry, slash, networks);
    }

    private static string? ReadAddress(string entry, List<IPNetwork> networks)
    {
        if (!TryParse(entry, out IPAddress address))
            return ProblemOf(entry);

        networks.Add(Shown(address, BitsOf(address)));
        return null;
    }

    private static string? ReadNetwork(string entry, int slash, List<IPNetwork> networks)
    {
        string start = entry[..slash];
        if (!TryParse(start, out IPAddress address))
            return ProblemOf(entry.Contains("://", StringComparison.Ordinal) ? entry : start);

        int bits = BitsOf(address);
        if (!int.TryParse(entry.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int prefix) || prefix > bits)
            return string.Create(CultureInfo.InvariantCulture, $"\"{entry}\" has no length of its network behind the slash: write a number from 0 to {bits}, such as \"{address}/{bits}\".");

        IPAddress first = FirstOf(address, prefix);
        if (!first.Equals(address))
        {
            return string.Create(
                CultureInfo.InvariantCulture, $"\"{entry}\" is no network, because bits behind the first {prefix} are set: write \"{first}/{prefix}\" for the network, or \"{address}\" for the one address.");
        }

        networks.Add(Shown(address, prefix));
        return null;
    }

    private static string ProblemOf(string entry)
    {
        if (entry.IndexOf('%', StringComparison.Ordinal) is > 0 and var zone && TryParse(entry[..zone].TrimStart('['), out IPAddress zoned))
            return $"\"{entry}\" has a zone, which is not compared: write \"{zoned}\".";
        if (entry is ['[', .. var inner, ']'] && TryParse(inner, out _))
            return $"\"{entry}\" has brackets: write \"{inner}\".";

        // IPAddress accepts "[::1]:80", without its port.
        if ((entry.StartsWith('[') || !IPAddress.TryParse(entry, out _)) && IPEndPoint.TryParse(entry, out IPEndPoint? endPoint))
            return $"\"{entry}\" has a port, but a proxy connects from any port: write \"{endPoint.Address}\".";
        return $"\"{entry}\" is no address, and host names are not looked up: {Examples}";
    }

    /// <summary>IPAddress accepts "10.1", octal numbers, brackets and zones too. Here they are more often typing errors than addresses.</summary>
    private static bool TryParse(string text, out IPAddress address)
    {
        bool isAddress = IPAddress.TryParse(text, out IPAddress? parsed);
        address = parsed ?? IPAddress.None;
        return isAddress && (address.AddressFamily == AddressFamily.InterNetworkV6 ? !text.AsSpan().ContainsAny("[]%/") : address.ToString() == text);
    }

    private static int BitsOf(IPAddress address) => address.AddressFamily == AddressFamily.InterNetworkV6 ? 128 : 32;

    private static IPAddress FirstOf(IPAddress address, int prefix)
    {
        byte[] bytes = address.GetAddressBytes();
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] &= (byte)~(0xFF >> Math.Clamp(prefix - 8 * i, 0, 8));
        return new IPAddress(bytes);
    }

    /// <summary>Addresses are compared in IPv4 form where they have one.</summary>
    private static IPNetwork Shown(IPAddress address, int prefix) =>
        address.IsIPv4MappedToIPv6 && prefix >= 96 ? new IPNetwork(address.MapToIPv4(), prefix - 96) : new IPNetwork(address, prefix);
}
