using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.Transport.Proxies;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary><see cref="ProxyHeaderParser"/>: any bytes give a header or one problem or the wish for more, wherever they are cut.</summary>
internal static class ProxyHeaderTarget
{
    private const int LongestLine = 107;

    /// <returns>The problem, "" for the wish for more, or a description of the header.</returns>
    public static string Run(byte[] input)
    {
        InputCuts cuts = new(input);
        Outcome whole = Parse(cuts.Content, cuts.Whole());
        Promise.Holds(whole == Parse(cuts.Content, cuts.Ends()), "segments chosen by the input change nothing");

        // More than is looked at cannot change anything.
        byte[] content = cuts.Content.Length <= ProxyHeaderParser.MaxBytes + 1 ? cuts.Content : cuts.Content[..(ProxyHeaderParser.MaxBytes + 1)];
        Promise.Holds(whole == Parse(content, [content.Length]));
        Promise.Holds(whole.Status != ProxyHeaderStatus.NeedMore || content.Length < ProxyHeaderParser.MaxBytes, "what fills the limit is a header or is refused");
        Promise.Holds(whole.Status != ProxyHeaderStatus.NeedMore || content.Length < LongestLine || content[0] == '\r', "a line ends within its limit or is refused");
        if (content.Length < 512)
            Promise.Holds(whole == Parse(content, Enumerable.Range(1, content.Length)), "a cut behind every byte changes nothing");

        // Byte by byte, as a client would send them: the first answer is the last one.
        for (int length = content.Length < 512 ? 0 : content.Length - 2; length < content.Length; length++)
        {
            Outcome beginning = Parse(content[..length], [length]);
            Promise.Holds(beginning.Status == ProxyHeaderStatus.NeedMore || beginning == whole, "what follows changes nothing");
            Promise.Holds(beginning.Status == whole.Status || whole.Status != ProxyHeaderStatus.Complete || length < whole.Consumed, "a header needs no byte that follows it");
        }

        return whole.Description;
    }

    private static Outcome Parse(byte[] content, IEnumerable<int> ends)
    {
        ProxyHeaderStatus status = ProxyHeaderParser.Parse(Segments.Of(content, 0, ends), out long consumed, out ProxyHeader? header, out string? problem);
        Promise.Holds(consumed >= 0 && consumed <= Math.Min(content.Length, ProxyHeaderParser.MaxBytes));
        Promise.Holds((status == ProxyHeaderStatus.Complete) == (header is not null) && (status == ProxyHeaderStatus.Complete) == (consumed > 0));
        Promise.Holds((status == ProxyHeaderStatus.Invalid) == (problem is not null));
        return new Outcome(status, consumed, header is null ? problem ?? "" : Describe(header, consumed));
    }

    private static string Describe(ProxyHeader header, long consumed)
    {
        Promise.Holds((header.Source is null) == (header.Destination is null), "there are both addresses or none");
        Promise.Holds(header.Source is null or UnixDomainSocketEndPoint or IPEndPoint { Address.IsIPv4MappedToIPv6: false });
        Promise.Holds((header.Source is UnixDomainSocketEndPoint) == (header.Destination is UnixDomainSocketEndPoint));
        Promise.Holds(!header.IsLocal || (header.Source is null && header.Values.Count == 0));
        Promise.Holds(header.Version == 2 || (header.Version == 1 && header.Values.Count == 0 && consumed <= LongestLine && header.IsLocal == header.Source is null));
        Promise.Holds(header.Values.Sum(value => 3 + value.Value.Length) <= consumed - 16 || header.Values.Count == 0);
        Promise.Holds(header.Values.All(value => header.Find(value.Type) is not null));
        string values = string.Join(' ', header.Values.Select(value => $"{value.Type:X2}:{Convert.ToHexString(value.Value.Span)}"));
        return $"{header.Version} {header.IsLocal} {header.Source} {header.Destination} {header.Authority} {header.IsSecure} {values}";
    }

    private sealed record Outcome(ProxyHeaderStatus Status, long Consumed, string Description);
}
