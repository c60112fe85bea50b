using WebSocketServerKit;

namespace Consumers.Hosts;

internal readonly record struct Load(int Clients, long Received, long Sent, long Waiting, long Memory, TimeSpan? WorstLatency);

/// <summary>Looks at a server from outside, and keeps count of why clients leave.</summary>
internal sealed class LoadObserver
{
    private readonly WebSocketServer _server;
    private readonly Dictionary<(DisconnectCause, int), int> _ends = [];

    public LoadObserver(WebSocketServer server)
    {
        _server = server;
        server.ClientDisconnected += (_, e) =>
        {
            lock (_ends)
                _ends[(e.Cause, (int)e.CloseCode)] = _ends.GetValueOrDefault((e.Cause, (int)e.CloseCode)) + 1;
        };
    }

    public Load Look() => new(
        _server.Clients.Count,
        _server.Clients.Sum(client => client.BytesReceived),
        _server.Clients.Sum(client => client.BytesSent),
        _server.Clients.Sum(client => client.UnsentBytes),
        _server.BufferedBytes,
        _server.Clients.Max(client => client.Latency));

    public int EndsBy(DisconnectCause cause, CloseCode code)
    {
        lock (_ends)
            return _ends.GetValueOrDefault((cause, code.Value));
    }
}
