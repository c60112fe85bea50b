using System.Net;

namespace Dashboard.Control;

/// <summary>
/// Whether a request was meant for this machine by whoever sent it. A page of a foreign site can have its own name point here (DNS rebinding); then its
/// origin and the Host header agree, and only the name gives it away. So no name is accepted but <c>localhost</c>; an address cannot be rebound.
/// </summary>
internal static class HostCheck
{
    /// <param name="host">The <c>Host</c> header: a name or an address, with or without a port.</param>
    public static bool Accepts(string host)
    {
        int colon = host.LastIndexOf(':');
        bool hasPort = colon > host.LastIndexOf(']'); // the colons of an IPv6 address stand in brackets
        ReadOnlySpan<char> name = hasPort ? host.AsSpan(0, colon) : host;
        if (name.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            return true;
        if (name is ['[', .. var inner, ']'])
            return inner.Contains(':') && IPAddress.TryParse(inner, out _);

        // Four numbers, as browsers write it: "1.2" and "0x7f.1" are addresses to TryParse too.
        return IPAddress.TryParse(name, out IPAddress? address) && name.Equals(address.ToString(), StringComparison.Ordinal);
    }
}
