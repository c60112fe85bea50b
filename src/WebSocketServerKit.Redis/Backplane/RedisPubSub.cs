namespace WebSocketServerKit;

/// <summary>Which publish/subscribe of Redis a <see cref="RedisBackplane"/> uses. Servers hear each other only if all of them use the same.</summary>
public enum RedisPubSub
{
    /// <summary>Sharded where every server of Redis is version 7 or later, otherwise classic. When Redis is updated from 6 to 7, restart all WebSocket servers.</summary>
    Auto,

    /// <summary><c>SUBSCRIBE</c> and <c>PUBLISH</c>. In a Redis Cluster every message goes to all of its servers, and is published also if nobody has subscribed.</summary>
    Classic,

    /// <summary><c>SSUBSCRIBE</c> and <c>SPUBLISH</c>, of Redis 7; Valkey has them too, and was not tried. In a Redis Cluster each channel belongs to one shard.</summary>
    Sharded,
}
