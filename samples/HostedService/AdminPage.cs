using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using WebSocketServerKit;

namespace HostedService;

/// <summary>
/// A page for the one who runs the server, on the server's own port: <c>/admin</c> lists the clients, their rates, who is slow, and the memory. It is off without a password, and read-only unless
/// <see cref="AllowDisconnect"/> is set. The password travels in a header: serve it over TLS, or on a loopback address behind ssh.
/// </summary>
internal sealed class AdminPage
{
    private const int MostClients = 500;

    private static readonly KeyValuePair<string, string>[] Headers =
    [
        new("Cache-Control", "no-store"), new("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"),
        new("Referrer-Policy", "no-referrer"),
    ];

    private static readonly KeyValuePair<string, string>[] Challenge = [new("WWW-Authenticate", "Basic realm=\"admin\", charset=\"UTF-8\"")];

    private readonly ConcurrentDictionary<long, Sample> _samples = []; // of the last view, by client

    /// <summary>The password of the user <c>admin</c>. Null or empty: there is no page.</summary>
    public string? Password { get; set; }

    /// <summary>Whether the page has a button that disconnects a client. Default: false.</summary>
    public bool AllowDisconnect { get; set; }

    /// <summary>Answers the requests for the page. Call it once, before the server starts.</summary>
    public void Add(WebSocketServer server)
    {
        if (string.IsNullOrEmpty(Password))
            return;
        server.HttpRequestReceived += (_, e) =>
        {
            if (!e.IsAnswered && e.Request.Path == "/admin")
                Answer(server, e);
        };
    }

    private void Answer(WebSocketServer server, HttpRequestReceivedEventArgs e)
    {
        if (!IsAdmin(e.Request.Headers["Authorization"]))
            e.Respond(HttpStatusCode.Unauthorized, "The password is that of Admin:Password.\n", headers: Challenge);
        else if (e.Request.Method is "GET" or "HEAD")
            e.Respond(HttpStatusCode.OK, Page(server), "text/html; charset=utf-8", Headers);
        else if (e.Request.Method != "POST" || !AllowDisconnect)
            e.Respond(HttpStatusCode.MethodNotAllowed, "This page is read-only.\n", headers: [new("Allow", "GET, HEAD")]);
        else if (!IsOwnPage(e.Request))
            e.Respond(HttpStatusCode.Forbidden, "Another site has sent this form.\n"); // a browser adds the password to it all the same
        else
            Disconnect(server, e);
    }

    private static void Disconnect(WebSocketServer server, HttpRequestReceivedEventArgs e)
    {
        if (!long.TryParse(e.Request.Query["disconnect"], NumberStyles.None, CultureInfo.InvariantCulture, out long id) || server.Clients.Find(id) is not { } client)
        {
            e.Respond(HttpStatusCode.NotFound, "There is no such client any more.\n");
            return;
        }

        _ = client.CloseAsync(CloseCode.PolicyViolation, "disconnected by the operator");
        e.Respond(HttpStatusCode.SeeOther, "", headers: [new("Location", "/admin")]);
    }

    private static bool IsOwnPage(HandshakeRequest request) =>
        request.Headers["Origin"] is { } origin && Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri) && uri.Authority.Equals(request.Host, StringComparison.OrdinalIgnoreCase);

    // RFC 7617: "Basic", then user and password in base64.
    private bool IsAdmin(string? authorization)
    {
        byte[] expected = Encoding.UTF8.GetBytes($"admin:{Password}");
        byte[] given = new byte[512];
        if (authorization is null || !authorization.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase) || !Convert.TryFromBase64String(authorization[6..].Trim(), given, out int count))
            return false;
        // The time that this takes tells nothing of the password.
        return CryptographicOperations.FixedTimeEquals(SHA256.HashData(given.AsSpan(0, count)), SHA256.HashData(expected));
    }

    private string Page(WebSocketServer server)
    {
        WebSocketServerHealth health = server.Health;
        WebSocketClient[] clients = [.. server.Clients];
        StringBuilder page = new();
        page.Append(CultureInfo.InvariantCulture, $$"""
            <!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5"><meta name="viewport" content="width=device-width">
            <title>{{Text(server.Name)}}: {{clients.Length}} clients</title>
            <style>:root{color-scheme:light dark}body{font:14px system-ui,sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:right}th{border-bottom:1px solid}td:nth-child(-n+4),th:nth-child(-n+4){text-align:left}form{margin:0}</style>
            <h1>{{Text(server.Name)}}</h1><p>{{Text(health.ToString())}}</p>
            <p>{{clients.Length}} of {{health.MaxClients}} clients, {{clients.Count(client => client.IsSlow)}} slow; {{health.BufferedBytes / 1024:N0}} of {{health.MaxBufferedBytes / 1024:N0}} KiB held; {{server.MessagesDropped:N0}} messages dropped</p>
            <table><tr><th>Client<th>Address<th>Path<th>User<th>Since<th>In/s<th>Out/s<th>Waiting<th>Ping ms<th>State</tr>

            """);
        long now = TimeProvider.System.GetTimestamp();
        foreach (WebSocketClient client in clients.OrderByDescending(client => client.UnsentBytes).Take(MostClients))
        {
            Sample sample = new(now, client.MessagesReceived, client.MessagesSent);
            double seconds = _samples.TryGetValue(client.Id, out Sample last) ? TimeProvider.System.GetElapsedTime(last.At, now).TotalSeconds : 0;
            double received = seconds > 0 ? (sample.Received - last.Received) / seconds : 0, sent = seconds > 0 ? (sample.Sent - last.Sent) / seconds : 0;
            _samples[client.Id] = sample;
            page.Append(
                CultureInfo.InvariantCulture,
                $"<tr><td>{client.Id}<td>{Text(client.RemoteEndPoint.ToString())}<td>{Text(client.Path)}<td>{Text(client.UserId)}<td>{client.ConnectedAt:u}<td>{received:N0}<td>{sent:N0}<td>{client.UnsentBytes:N0}<td>{client.Latency?.TotalMilliseconds:N1}<td>{(client.IsSlow ? "slow" : "")}");
            if (AllowDisconnect)
                page.Append(CultureInfo.InvariantCulture, $"<td><form method=\"post\" action=\"/admin?disconnect={client.Id}\"><button>Disconnect</button></form>");
            page.Append("</tr>\n");
        }

        foreach (long gone in _samples.Keys.Except(clients.Select(client => client.Id)))
            _samples.TryRemove(gone, out _);
        return page.Append("</table></html>\n").ToString();
    }

    private static string Text(string? text) => WebUtility.HtmlEncode(text ?? "");

    private readonly record struct Sample(long At, long Received, long Sent);
}
