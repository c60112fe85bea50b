using WebSocketServerKit;

namespace Dashboard.Served;

/// <summary>A client as the list shows it. Times are in milliseconds.</summary>
internal sealed record ClientRow(
    long Id, string Path, string Address, string Agent, long Since, double? Latency, long MessagesIn, long BytesIn, long MessagesOut, long BytesOut, int Waiting)
{
    private const string AgentItem = "user-agent";

    /// <summary>Keeps what only the request tells.</summary>
    public static void Remember(HandshakingEventArgs e) => e.Items[AgentItem] = e.Request.Headers["User-Agent"] ?? "";

    public static ClientRow Of(WebSocketConnection client) => new(
        client.Id,
        client.QueryString.Length == 0 ? client.Path : $"{client.Path}?{client.QueryString}",
        client.RemoteEndPoint.ToString(),
        (string)client.Items[AgentItem]!,
        client.ConnectedAt.ToUnixTimeMilliseconds(),
        client.Latency?.TotalMilliseconds,
        client.MessagesReceived,
        client.BytesReceived,
        client.MessagesSent,
        client.BytesSent,
        client.BufferedBytes);
}
