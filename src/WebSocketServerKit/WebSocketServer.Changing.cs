using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Options that change while the server runs.
public sealed partial class WebSocketServer
{
    /// <summary>The names of those <see cref="WebSocketServerOptions"/> that <see cref="Change"/> uses. All others need a new start.</summary>
    public static IReadOnlyCollection<string> ChangeableOptions { get; } =
    [
        nameof(WebSocketServerOptions.AllowedOrigins), nameof(WebSocketServerOptions.AllowedHosts), nameof(WebSocketServerOptions.Subprotocols), nameof(WebSocketServerOptions.MaxMessageSize),
        nameof(WebSocketServerOptions.MaxFragmentsPerMessage), nameof(WebSocketServerOptions.MaxMessagesPerSecond), nameof(WebSocketServerOptions.MaxBytesPerSecond), nameof(WebSocketServerOptions.OverRate),
        nameof(WebSocketServerOptions.SendQueueLimit), nameof(WebSocketServerOptions.SlowClients), nameof(WebSocketServerOptions.StreamMessagesFrom), nameof(WebSocketServerOptions.MaxStreamedMessageSize),
        nameof(WebSocketServerOptions.MaxSubscriptionsPerClient), nameof(WebSocketServerOptions.HandlerExceptions),
    ];

    /// <summary>
    /// Uses new values of the <see cref="ChangeableOptions"/> for clients that connect from now on, until the server stops. Clients that are connected keep what they have. When the server is started
    /// again, it has the options that it was made with.
    /// </summary>
    /// <remarks>
    /// Options that are not among them are checked and otherwise ignored. Options of paths stay, and come before these as ever. To change where the server listens, call
    /// <see cref="Listen(string, ListenOptions?)"/> and <see cref="StopListening(string)"/>.
    /// </remarks>
    /// <param name="options">All options, also those that stay; copied by this call.</param>
    /// <exception cref="ArgumentException">An option has an invalid value; the message names it. Nothing has changed then.</exception>
    /// <exception cref="InvalidOperationException">The server is not started, or is stopping.</exception>
    /// <exception cref="ObjectDisposedException">The server is disposed of.</exception>
    public void Change(WebSocketServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        lock (_gate)
        {
            ServerRun run = RunningOrThrow();
            run.Change(options);
        }
    }
}
