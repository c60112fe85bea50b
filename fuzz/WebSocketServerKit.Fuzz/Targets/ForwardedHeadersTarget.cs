using System.Net;
using System.Text;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>
/// <see cref="ForwardedHeaders"/>. The input is header lines: each begins with the last letter of its header's name (d, r, o, t). Here the proxies are those of 10.0.0.0/8.
/// </summary>
internal static class ForwardedHeadersTarget
{
    private const string Added = "for=\"192.0.2.7:4711\";proto=https;host=\"a.ex\\ample\";secret=\"\\\\, \\\"\"";
    private static readonly ForwardedClient AddedClient = new(IPEndPoint.Parse("192.0.2.7:4711"), "https", "a.example");
    private static readonly IPNetwork Proxies = IPNetwork.Parse("10.0.0.0/8");

    public static IReadOnlyList<ForwardedClient> Run(byte[] input)
    {
        List<(string Name, string Value)> lines = [];
        foreach (string line in Encoding.Latin1.GetString(input).Split('\n', '\r', '\0'))
        {
            string? name = line.FirstOrDefault() switch
            {
                'd' => "Forwarded",
                'r' => "X-Forwarded-For",
                'o' => "X-Forwarded-Proto",
                't' => "X-Forwarded-Host",
                _ => null,
            };
            if (name is not null)
                lines.Add((name, line[1..].Trim(' ', '\t')));
        }

        string sent = string.Concat(lines.Select(line => line.Value + "\n"));
        Promise.Holds(Resolve(lines, ForwardedHeaderKind.None) == default);
        List<ForwardedClient> clients = [];
        foreach (ForwardedHeaderKind kind in new[] { ForwardedHeaderKind.Forwarded, ForwardedHeaderKind.XForwarded })
        {
            ForwardedClient client = Resolve(lines, kind);
            Check(client, sent);
            Promise.Holds(client == Resolve(lines.Where(line => (line.Name is "Forwarded") == (kind is ForwardedHeaderKind.Forwarded)), kind), "headers of the other kind are not read");
            clients.Add(client);
        }

        CheckThatNothingHidesWhatTheProxyAdds(lines);
        return clients;
    }

    private static void Check(ForwardedClient client, string sent)
    {
        Promise.Holds(client.Scheme is null or "http" or "https");
        Promise.Holds(client.Host is null || Authority.TryParse(client.Host, out _, out _));
        string plain = sent.Replace("\\", "", StringComparison.Ordinal);
        Promise.Holds(client.Host is null || plain.Contains(client.Host.Replace("\\", "", StringComparison.Ordinal), StringComparison.Ordinal), "the host was sent");
        if (client.EndPoint is not { } endPoint)
            return;

        Promise.Holds(!endPoint.Address.IsIPv4MappedToIPv6);
        string[] runs = new string([.. plain.Select(c => char.IsAsciiHexDigit(c) || c is ':' or '.' ? c : ' ')]).Split(' ');
        IEnumerable<string> addresses = runs.Concat(runs.Select(run => run[..Math.Max(0, run.LastIndexOf(':'))]));
        Promise.Holds(addresses.Any(text => IPAddress.TryParse(text, out IPAddress? sentAddress) && Plain(sentAddress).Equals(endPoint.Address)), "the address was sent");
    }

    private static void CheckThatNothingHidesWhatTheProxyAdds(List<(string Name, string Value)> forged)
    {
        (string, string)[] ownLines =
        [
            ("Forwarded", Added), ("X-Forwarded-For", "192.0.2.7:4711"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a.example"),
        ];
        foreach (ForwardedHeaderKind kind in new[] { ForwardedHeaderKind.Forwarded, ForwardedHeaderKind.XForwarded })
        {
            Promise.Holds(Resolve(forged.Concat(ownLines), kind) == AddedClient, "lines of the client hide nothing");
            Promise.Holds(
                Resolve(ownLines.Select(line => (line.Item1, string.Concat(forged.Select(other => other.Value + ", ")) + line.Item2)), kind) == AddedClient,
                "text in front hides nothing");
        }
    }

    private static ForwardedClient Resolve(IEnumerable<(string Name, string Value)> lines, ForwardedHeaderKind kind)
    {
        HeaderFields headers = new();
        foreach ((string name, string value) in lines)
            headers.Add(name, value);
        return ForwardedHeaders.Resolve(headers, kind, Proxies.Contains);
    }

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}
