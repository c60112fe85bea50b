using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace WebSocketServerKit;

/// <summary>
/// Starts a server with the host, and stops it. When the host begins to stop, so does the server; the host waits for its clients in the server's turn among the hosted services. Called by
/// the host, one call after the other.
/// </summary>
internal sealed class HostedWebSocketServer(ServerSetup setup, IServiceProvider services, HostingLog log) : IHostedLifecycleService, IDisposable
{
    private WebSocketServer? _server;
    private ConfigurationReload? _reload;
    private Task<StopResult>? _stopping;
    private int _isStopLogged; // 1 when it is

    private StopOptions Stop => _reload?.Stop ?? setup.Stop();

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <exception cref="IOException">The server cannot listen; the message tells where and why.</exception>
    /// <exception cref="InvalidOperationException">It listens nowhere, since its section is missing.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_server is null)
        {
            WebSocketServer server = services.GetRequiredKeyedService<WebSocketServer>(setup.Name);
            setup.AddPaths(server);
            foreach (Action<IServiceProvider, WebSocketServer> step in setup.Steps)
                step(services, server);
            _server = server;
        }

        _reload = setup.Section is null ? null : new ConfigurationReload(setup, _server, services, log);
        try
        {
            await _server.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException problem)
        {
            throw new IOException($"The WebSocket server \"{setup.Name}\" cannot start. {problem.Message}", problem);
        }

        if (setup.Section is { } section && !section.Exists() && !_server.IsListening)
        {
            await _server.StopAsync(CancellationToken.None).ConfigureAwait(false);
            throw new InvalidOperationException(
                $"The WebSocket server \"{setup.Name}\" would listen nowhere: the configuration has no section \"{section.Path}\". Check its name, or leave the section out of AddWebSocketServer.");
        }

        _stopping = null;
        _isStopLogged = 0;
        log.Started(setup.Name, string.Join(", ", _server.EndPoints));
        setup.CheckDuration(Stop, services, log);
        _reload?.Begin();
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Begins the stop, and does not wait for it.</summary>
    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        _reload?.Dispose();
        if (_server is not null)
            _stopping ??= _server.StopAsync(Stop, cancellationToken);
        return Task.CompletedTask;
    }

    /// <summary>Waits for the end of the stop.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await StoppingAsync(cancellationToken).ConfigureAwait(false);
        if (_stopping is null)
            return;
        StopResult result = await _stopping.ConfigureAwait(false);
        if (Interlocked.Exchange(ref _isStopLogged, 1) == 1)
            return;
        if (result.Cut.Any(cut => cut.Why == CutReason.StopCancelled))
            log.StopCutShort(setup.Name);
        log.Stopped(setup.Name, result.ClosedCleanly, result.Aborted, result.Unfinished);
    }

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _reload?.Dispose();
}
