using Microsoft.Extensions.Logging;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Backplane;

/// <summary>All log messages of the backplane.</summary>
internal sealed partial class RedisLog(ILogger logger)
{
    public ILogger Logger => logger;

    [LoggerMessage(200, LogLevel.Information, "Connected with Redis at {EndPoints}: {PubSub} publish/subscribe, prefix \"{Prefix}\".")]
    public partial void Connected(string endPoints, RedisPubSub pubSub, string prefix);

    [LoggerMessage(201, LogLevel.Warning, "Redis at {EndPoints} is lost. Each server goes on with its own clients; messages for those of other servers are dropped until it is back.")]
    public partial void Lost(string endPoints);

    [LoggerMessage(202, LogLevel.Information, "Redis at {EndPoints} is back, and {Channels} channels are subscribed to again. {Dropped} messages could not be published meanwhile.")]
    public partial void Restored(string endPoints, int channels, long dropped);

    [LoggerMessage(203, LogLevel.Warning,
        "Messages for other servers are dropped: more than {Limit} bytes wait for Redis (MaxPendingBytes). Redis or the network is too slow for what is published.")]
    public partial void PublishingTooFast(long limit);

    [LoggerMessage(204, LogLevel.Information, "Messages for other servers are no longer dropped; {Dropped} were.")]
    public partial void PublishingCaughtUp(long dropped);

    [LoggerMessage(205, LogLevel.Warning,
        "Messages of other servers are dropped: more than {Limit} bytes wait to be taken (MaxReceivedBytes). This server is too slow for what others publish.")]
    public partial void ReceivingTooSlowly(long limit);

    [LoggerMessage(206, LogLevel.Information, "Messages of other servers are no longer dropped; {Dropped} were.")]
    public partial void ReceivingCaughtUp(long dropped);

    [LoggerMessage(207, LogLevel.Warning, "Redis at {EndPoints} cannot be reached. The server starts without it, and serves its own clients alone until it can be.")]
    public partial void StartedWithoutRedis(string endPoints);

    [LoggerMessage(208, LogLevel.Warning,
        "{Missing} of {Nodes} nodes did not acknowledge a subscription within {Seconds} s. They hang, or Redis has not noticed yet that they are gone. Messages that they publish within 30 s may be missed.")]
    public partial void Unacknowledged(long missing, long nodes, double seconds);

    [LoggerMessage(209, LogLevel.Error, "A server threw when it received a message of the channel \"{Channel}\".")]
    public partial void ReceiverThrew(Exception exception, PeerText channel);
}
