using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Serving;

/// <summary>The limits on concurrent connections, computed from the options and the process's limit on open files. Each connection is one open file.</summary>
/// <param name="MaxClients">The maximum number of clients, including handshakes.</param>
/// <param name="MaxTurnedAway">The maximum number of refused connections that are answered at the same time; further ones are cut without an answer.</param>
internal readonly record struct ClientLimits(int MaxClients, int MaxTurnedAway)
{
    /// <summary>
    /// The open files that are reserved for everything else. .NET and a small program need about 60; the rest is for the host's files, such as its log and a
    /// hundred database connections.
    /// </summary>
    private const int Reserve = 200;

    private const int FewestTurnedAway = 16;

    /// <summary>Keeps a number that the host has set, with a warning if it is too large for the limit on open files. Lowers the default until it fits.</summary>
    /// <param name="options">The options.</param>
    /// <param name="openFiles">The limit on open files; null if it is unknown or there is none.</param>
    /// <param name="log">The log for the warning.</param>
    public static ClientLimits Of(WebSocketServerOptions options, long? openFiles, ServerLog log)
    {
        int maxClients = options.MaxClients;
        int maxTurnedAway = options.MaxConcurrentHandshakes;
        if (openFiles is not { } limit)
            return new ClientLimits(maxClients, maxTurnedAway);

        int room = (int)Math.Clamp(Math.Max(limit - Reserve, limit / 4), 1, int.MaxValue);
        if (options.HasMaxClients)
        {
            if (maxClients > room)
                log.OpenFilesTooFew(maxClients, limit, (long)maxClients + Reserve, room);
        }
        else if (maxClients > room - Math.Min(maxTurnedAway, room / 8))
        {
            maxClients = room - Math.Min(maxTurnedAway, room / 8);
            log.MaxClientsLowered(maxClients, limit);
        }

        return new ClientLimits(maxClients, Math.Clamp(room - maxClients, Math.Min(FewestTurnedAway, maxTurnedAway), maxTurnedAway));
    }
}
