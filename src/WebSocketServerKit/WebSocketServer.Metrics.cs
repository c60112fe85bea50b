using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// What its instruments read.
public sealed partial class WebSocketServer : IMeasuredServer
{
    internal ServerMetrics Metrics { get; }

    internal TrafficTotals Traffic { get; } = new();

    int IMeasuredServer.ClientCount => Clients.Count;

    int IMeasuredServer.HandshakeCount => Volatile.Read(ref _run)?.HandshakeCount ?? 0;

    int IMeasuredServer.SlowClientCount => Clients.Count(client => client.IsSlow);

    long IMeasuredServer.PendingBytes => Clients.Sum(client => client.PendingBytes);

    long? IMeasuredServer.BufferedBytesLimit => Volatile.Read(ref _run)?.Budget.Limit is { } limit and < long.MaxValue ? limit : null;

    Traffic IMeasuredServer.ReadTraffic() => Traffic.Read();
}
