using StackExchange.Redis;

namespace WebSocketServerKit;

/// <summary>Connects servers through Redis.</summary>
public static class RedisWebSocketServerExtensions
{
    /// <summary>Connects a server with those of other machines: <see cref="WebSocketServer.UseBackplane"/> with a <see cref="RedisBackplane"/>. Call it before the server starts.</summary>
    /// <param name="server">The server.</param>
    /// <param name="configuration">Where Redis is, as StackExchange.Redis reads it: <c>redis:6379,password=…,ssl=true</c>.</param>
    /// <param name="prefix">The same for all servers that are to act as one.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <returns>The backplane, to connect other servers of this process as well.</returns>
    /// <exception cref="ArgumentException">The configuration cannot be read, the prefix is empty, or an option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The server is started, or has a backplane.</exception>
    public static RedisBackplane UseRedis(this WebSocketServer server, string configuration, string prefix, RedisBackplaneOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        RedisBackplane backplane = new(configuration, prefix, options);
        server.UseBackplane(backplane);
        return backplane;
    }

    /// <summary>Connects a server with those of other machines through a client of the application. Call it before the server starts.</summary>
    /// <param name="server">The server.</param>
    /// <param name="multiplexer">The client. It is not disposed of.</param>
    /// <param name="prefix">The same for all servers that are to act as one.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <returns>The backplane, to connect other servers of this process as well.</returns>
    /// <exception cref="ArgumentException">The prefix is empty, or an option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The server is started or has a backplane, or the client has a backplane with that prefix.</exception>
    public static RedisBackplane UseRedis(this WebSocketServer server, IConnectionMultiplexer multiplexer, string prefix, RedisBackplaneOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        RedisBackplane backplane = new(multiplexer, prefix, options);
        try
        {
            server.UseBackplane(backplane);
            return backplane;
        }
        catch
        {
            backplane.GiveUp();
            throw;
        }
    }
}
