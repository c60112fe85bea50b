using System.Security.Authentication;
using WebSocketServerKit;

namespace Dashboard.Served;

/// <summary>What a page is told once of a client that it lists.</summary>
/// <param name="Id">The client's id.</param>
/// <param name="Path">Path and query, shortened.</param>
/// <param name="Address">Where it comes from.</param>
/// <param name="Agent">Its user agent, shortened; empty if it names none.</param>
/// <param name="Since">When it came, in Unix milliseconds.</param>
/// <param name="Tls">The version of TLS, and whom the client's certificate names; empty without TLS.</param>
internal sealed record ClientRow(long Id, string Path, string Address, string Agent, long Since, string Tls)
{
    /// <summary>Keeps the user agent, which only the request tells.</summary>
    public static void Remember(HandshakingEventArgs e) => e.State = e.Request.Headers["User-Agent"] ?? "";

    public static ClientRow Of(WebSocketClient client) => new(
        client.Id,
        Shortened.Path(PathAndQueryOf(client)),
        client.RemoteEndPoint.ToString()!,
        Shortened.Agent(AgentOf(client)),
        client.ConnectedAt.ToUnixTimeMilliseconds(),
        client.Tls is { } tls ? Shortened.Agent(string.Join(", ", [VersionOf(tls.Protocol), .. tls.ClientCertificate is { } certificate ? (string[])[certificate.Subject] : []])) : "");

    /// <summary>Whether a client is one of those that somebody looks for by a part of its number, path, address or user agent.</summary>
    public static bool Matches(WebSocketClient client, string filter) =>
        Contains($"#{client.Id}", filter) || Contains(PathAndQueryOf(client), filter) || Contains(client.RemoteEndPoint.ToString()!, filter) || Contains(AgentOf(client), filter);

    private static bool Contains(string text, string filter) => text.Contains(filter, StringComparison.OrdinalIgnoreCase);

    private static string PathAndQueryOf(WebSocketClient client) => client.QueryString.Length == 0 ? client.Path : $"{client.Path}?{client.QueryString}";

    private static string VersionOf(SslProtocols protocol) => protocol switch
    {
        SslProtocols.Tls12 => "TLS 1.2",
        SslProtocols.Tls13 => "TLS 1.3",
        _ => protocol.ToString(),
    };

    private static string AgentOf(WebSocketClient client) => client.GetState<string>();
}

/// <summary>What changes while a client is online. The latency is in milliseconds, and null before the first ping.</summary>
internal sealed record ClientCounters(long Id, double? Latency, long MessagesIn, long BytesIn, long MessagesOut, long BytesOut, long Waiting)
{
    public static ClientCounters Of(WebSocketClient client) => new(
        client.Id,
        client.Latency?.TotalMilliseconds,
        client.MessagesReceived,
        client.BytesReceived,
        client.MessagesSent,
        client.BytesSent,
        client.UnsentBytes);
}
