namespace WebSocketServerKit;

/// <summary>A client that is connected to some server of the cluster, as <see cref="RedisPresence"/> tells it: a snapshot.</summary>
/// <param name="NodeId">The server that it is connected to: its <see cref="WebSocketServer.NodeId"/>.</param>
/// <param name="ClientId">Its <see cref="WebSocketClient.Id"/> there. Other servers have clients with the same id.</param>
/// <param name="UserId">Its <see cref="WebSocketClient.UserId"/>, or null.</param>
/// <param name="Path">Its <see cref="WebSocketClient.Path"/>.</param>
/// <param name="Since">When it connected, in UTC, by the clock of its server, in whole milliseconds.</param>
/// <param name="Groups">The groups that it is in, in ordinal order.</param>
public sealed record OnlineClient(string NodeId, long ClientId, string? UserId, string Path, DateTimeOffset Since, IReadOnlyList<string> Groups)
{
    /// <summary>Selects the client from each server: <c>server.Clients.WithGlobalId(found.GlobalId)</c>.</summary>
    public GlobalClientId GlobalId => new(NodeId, ClientId);
}
