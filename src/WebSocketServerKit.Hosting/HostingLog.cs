using Microsoft.Extensions.Logging;

namespace WebSocketServerKit;

/// <summary>All log messages of the package. Those of the server itself have its own category.</summary>
internal sealed partial class HostingLog(ILogger logger)
{
    public ILogger Logger => logger;

    [LoggerMessage(1, LogLevel.Information, "The WebSocket server \"{Server}\" is started: {EndPoints}")]
    public partial void Started(string server, string endPoints);

    [LoggerMessage(2, LogLevel.Information,
        "The WebSocket server \"{Server}\" has stopped: {ClosedCleanly} clients left cleanly, {Aborted} were reset, {Unfinished} have handlers that have not ended.")]
    public partial void Stopped(string server, int closedCleanly, int aborted, int unfinished);

    [LoggerMessage(3, LogLevel.Warning,
        "The host's time to stop was over before the WebSocket server \"{Server}\" had stopped, so clients were reset. Raise HostOptions.ShutdownTimeout above ReadinessDelay + Spread + Timeout of the "
        + "server's stop, and above that the time after which systemd or the orchestrator kills the program.")]
    public partial void StopCutShort(string server);

    [LoggerMessage(4, LogLevel.Error,
        "{Handler} of the WebSocket server \"{Server}\" could not be made for client {ClientId}: its constructor, or that of a service that it needs, threw, or a service is not registered. The client is closed with 1011.")]
    public partial void HandlerNotMade(Exception exception, string handler, string server, long clientId);

    [LoggerMessage(5, LogLevel.Error, "A scoped service of {Handler} of the WebSocket server \"{Server}\" threw when it was disposed of, for client {ClientId}. Services after it may not have been disposed of.")]
    public partial void ScopeNotDisposed(Exception exception, string handler, string server, long clientId);

    [LoggerMessage(6, LogLevel.Information, "The configuration of the WebSocket server \"{Server}\" has changed; in effect at once: {Keys}")]
    public partial void ConfigurationApplied(string server, string keys);

    [LoggerMessage(7, LogLevel.Warning, "The configuration of the WebSocket server \"{Server}\" has changed; in effect after a restart of the program only: {Keys}")]
    public partial void RestartNeeded(string server, string keys);

    [LoggerMessage(8, LogLevel.Error, "The new configuration of the WebSocket server \"{Server}\" cannot be used; the one of before stays in force. {Problem}")]
    public partial void ConfigurationRefused(string server, string problem);

    [LoggerMessage(9, LogLevel.Warning,
        "The stop of the WebSocket server \"{Server}\" may take {Longest} (ReadinessDelay + Spread + Timeout), but HostOptions.ShutdownTimeout gives the host {ShutdownTimeout}; then the clients that are left "
        + "are reset. Raise it, for example with \"shutdownTimeoutSeconds\" at the root of the configuration, and above that the time after which systemd or the orchestrator kills the program; or shorten the stop.")]
    public partial void StopTooLong(string server, TimeSpan longest, TimeSpan shutdownTimeout);
}
