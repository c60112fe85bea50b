using Microsoft.Extensions.Logging;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Presence;

/// <summary>All log messages of the presence.</summary>
internal sealed partial class PresenceLog(ILogger logger)
{
    public ILogger Logger => logger;

    [LoggerMessage(230, LogLevel.Warning,
        "Redis cannot be written to. Until it can, what other servers see of the clients of node {NodeId} is not current, and after the expiry they do not see them at all. The node goes on trying; its clients are not affected.")]
    public partial void Away(Exception exception, string nodeId);

    [LoggerMessage(231, LogLevel.Information, "Redis takes the presence of node {NodeId} again, after {Duration}.")]
    public partial void Back(string nodeId, TimeSpan duration);

    [LoggerMessage(232, LogLevel.Warning,
        "Redis does not know node {NodeId} any more, so the node tells all its clients anew. Either Redis has lost its contents, or no heartbeat of the node has arrived within the expiry: the node was paused, or Redis was out of reach.")]
    public partial void Lost(string nodeId);

    [LoggerMessage(233, LogLevel.Warning, "Node {NodeId} could not tell Redis that it stops. Other servers see its clients until the expiry.")]
    public partial void NotLeft(Exception? exception, string nodeId);

    [LoggerMessage(234, LogLevel.Information, "Node {NodeId} has removed what was left of node {Ended} in Redis.")]
    public partial void Removed(string nodeId, PeerText ended);
}
