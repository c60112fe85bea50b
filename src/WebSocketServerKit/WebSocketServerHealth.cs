namespace WebSocketServerKit;

/// <summary>How a server does: see <see cref="WebSocketServerHealth.Status"/>.</summary>
public enum WebSocketServerHealthStatus
{
    /// <summary>New clients should not be sent here: it is not started, or is stopping.</summary>
    Unhealthy,

    /// <summary>It serves its clients, and something is short: memory, room for a further client, the threads of the pool, or the connection to the backplane.</summary>
    Degraded,

    /// <summary>It takes clients, nothing is short, and the backplane, if there is one, is connected.</summary>
    Healthy,
}

/// <summary>How a server does at one moment, for health checks: <see cref="WebSocketServer.Health"/>. Immutable.</summary>
public sealed class WebSocketServerHealth
{
    private static readonly TimeSpan MuchLag = TimeSpan.FromSeconds(2);

    internal WebSocketServerHealth(bool isStarted, bool isListening, bool isDraining, int clients, int maxClients, long bufferedBytes, long maxBufferedBytes, bool isMemoryShort, TimeSpan lag,
        bool? isBackplaneConnected = null)
    {
        IsListening = isListening;
        IsDraining = isDraining;
        Clients = clients;
        MaxClients = maxClients;
        BufferedBytes = bufferedBytes;
        MaxBufferedBytes = maxBufferedBytes;
        Lag = lag;
        IsBackplaneConnected = isBackplaneConnected;
        IsAccepting = isStarted && !isDraining && clients < maxClients;
        (Status, Reason) =
            isDraining ? (WebSocketServerHealthStatus.Unhealthy, "the server is stopping")
            : !isStarted ? (WebSocketServerHealthStatus.Unhealthy, "the server is not started")
            : clients >= maxClients ? (WebSocketServerHealthStatus.Degraded, $"{clients} clients are connected, as many as MaxClients allows; further ones get 503")
            : isMemoryShort ? (WebSocketServerHealthStatus.Degraded, $"memory is short: the clients hold {bufferedBytes} bytes, and MaxBufferedBytes is {maxBufferedBytes}; those that hold the most are not read from, or closed")
            : lag >= MuchLag ? (WebSocketServerHealthStatus.Degraded, FormattableString.Invariant($"the server's timer is {lag.TotalSeconds:0.0} s late: handlers block the threads of the pool, or the processor is too slow for the load"))
            : isBackplaneConnected is false ? (WebSocketServerHealthStatus.Degraded, "the connection to the backplane is lost: clients do not get what other servers send")
            : (WebSocketServerHealthStatus.Healthy, "");
    }

    /// <summary>All in one word.</summary>
    public WebSocketServerHealthStatus Status { get; }

    /// <summary>Why <see cref="Status"/> is not <see cref="WebSocketServerHealthStatus.Healthy"/>, in words; empty if it is.</summary>
    public string Reason { get; }

    /// <summary>Whether it listens: <see cref="WebSocketServer.IsListening"/>.</summary>
    public bool IsListening { get; }

    /// <summary>Whether new clients should be sent here: the server is started, does not stop, and has room for one more client.</summary>
    public bool IsAccepting { get; }

    /// <summary>Whether it is being stopped: from the first call of <c>StopAsync</c> to its end.</summary>
    public bool IsDraining { get; }

    /// <summary>The number of connected clients.</summary>
    public int Clients { get; }

    /// <summary>The most clients that this run of the server takes: <see cref="WebSocketServerOptions.MaxClients"/>, or fewer if the limit on open files requires it.</summary>
    public int MaxClients { get; }

    /// <summary>The memory that is held for clients, in bytes: <see cref="WebSocketServer.BufferedBytes"/>.</summary>
    public long BufferedBytes { get; }

    /// <summary>The limit on it, in bytes: <see cref="WebSocketServerOptions.MaxBufferedBytes"/>, or its default.</summary>
    public long MaxBufferedBytes { get; }

    /// <summary>How late the server's timer runs on the thread pool. From two seconds on the server is <see cref="WebSocketServerHealthStatus.Degraded"/>. Zero while it is not started.</summary>
    public TimeSpan Lag { get; }

    /// <summary>Whether the backplane can be reached: see <see cref="WebSocketServer.UseBackplane"/>. Null without one. A server without it is <see cref="WebSocketServerHealthStatus.Degraded"/>: it still serves its own clients.</summary>
    public bool? IsBackplaneConnected { get; }

    /// <summary>The status, and the reason if there is one: <c>degraded: memory is short: ...</c></summary>
    public override string ToString()
    {
        string status = Status switch
        {
            WebSocketServerHealthStatus.Healthy => "healthy",
            WebSocketServerHealthStatus.Degraded => "degraded",
            _ => "unhealthy",
        };
        return Reason.Length == 0 ? status : $"{status}: {Reason}";
    }
}
