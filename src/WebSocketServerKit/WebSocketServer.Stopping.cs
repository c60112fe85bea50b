using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Stopping as operations want it: readiness, spread, retry hints.
public sealed partial class WebSocketServer
{
    /// <summary>
    /// Whether new clients should be sent here: true from the start until the server begins to stop, or is disposed of. For the readiness check of a load balancer or an orchestrator.
    /// </summary>
    public bool IsReady => Volatile.Read(ref _stopping) is null && Volatile.Read(ref _run) is not null;

    /// <summary>
    /// Stops the server so that its clients move elsewhere, or come back, one after the other:
    /// <list type="number">
    /// <item><see cref="IsReady"/> is false at once. For <see cref="StopOptions.ReadinessDelay"/> the server goes on as before.</item>
    /// <item>The clients get their Close frames over <see cref="StopOptions.Spread"/>. The server still listens: WebSocket handshakes get 503 with <c>Retry-After</c>, and
    /// <see cref="HttpRequestReceived"/> is raised for plain HTTP requests.</item>
    /// <item>The rest is like <see cref="StopAsync(CancellationToken)"/>: the server listens no longer, and waits up to <see cref="StopOptions.Timeout"/> for clients to leave and handlers to
    /// end. Then the remaining connections are reset.</item>
    /// </list>
    /// </summary>
    /// <remarks>
    /// Connections for AcceptAsync are taken, or refused with 503, for as long as the server listens; after that AcceptAsync throws. A second call of any StopAsync waits for the same stop, and its
    /// options do not count, but its token does. <see cref="Dispose"/> ends the stop at once, in each step; <see cref="DisposeAsync"/> waits for it.
    /// </remarks>
    /// <param name="options">How to stop.</param>
    /// <param name="cancellationToken">Cancelled, whatever the stop waits for is over, and the remaining connections are reset at once. The tokens of further calls do the same.</param>
    /// <returns>How many clients left cleanly, how many were reset, and how many have events that have not ended; and who was cut, and why.</returns>
    /// <exception cref="ArgumentException">An option has an invalid value, or the reason leaves no room for the retry hint; the message tells what to do.</exception>
    public Task<StopResult> StopAsync(StopOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return StopCoreAsync(new StopPlan(options), cancellationToken);
    }
}
