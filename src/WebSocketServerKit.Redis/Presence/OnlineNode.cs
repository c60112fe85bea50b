namespace WebSocketServerKit;

/// <summary>A server of the cluster, as <see cref="RedisPresence"/> tells it: a snapshot.</summary>
/// <param name="NodeId">Its <see cref="RedisPresence.NodeId"/>.</param>
/// <param name="Clients">How many clients are connected to it.</param>
/// <param name="LastHeartbeat">When Redis last heard of it, by Redis' clock.</param>
public sealed record OnlineNode(string NodeId, long Clients, DateTimeOffset LastHeartbeat);
