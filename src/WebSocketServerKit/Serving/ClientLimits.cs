using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Serving;

/// <summary>How many connections there may be at once, with the limit on open files in mind: each takes one.</summary>
/// <param name="MaxClients">Clients, handshakes included.</param>
/// <param name="MaxTurnedAway">Connections beyond them that are still told why; further ones are just cut.</param>
internal readonly record struct ClientLimits(int MaxClients, int MaxTurnedAway)
{
    /// <summary>
    /// Files that are left to the process itself. .NET and a small program have about 60 open; the rest is for what the host opens: its log, a hundred
    /// connections to a database.
    /// </summary>
    private const int Reserve = 200;

    private const int FewestTurnedAway = 16;

    /// <summary>A number that the host set is kept, with a warning if it does not fit; the default is lowered until it fits.</summary>
    /// <param name="options">What the host set.</param>
    /// <param name="openFiles">How many files the process may have open; null if that is not known, or without a limit.</param>
    /// <param name="log">Where to say it.</param>
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
