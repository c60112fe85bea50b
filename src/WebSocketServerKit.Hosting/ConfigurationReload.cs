using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace WebSocketServerKit;

/// <summary>
/// Applies changes of the configuration to a server that runs: where it listens, what holds for new clients, and how it will stop. Names the other keys that have changed. A configuration that cannot be used changes nothing.
/// <para>Reloads come from any thread, also several at once; one lock makes them one after the other. What a server has in force is only changed under it.</para>
/// </summary>
internal sealed class ConfigurationReload(ServerSetup setup, WebSocketServer server, IServiceProvider services, HostingLog log) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly IConfigurationSection _section = setup.Section!;
    private IReadOnlyDictionary<string, string?> _seen = setup.Bound!;
    private IReadOnlyList<string> _urls = [.. services.GetRequiredService<IOptionsMonitor<WebSocketServerOptions>>().Get(setup.Name).Urls];
    private StopOptions _stop = setup.Stop();
    private IDisposable? _registration;
    private bool _isDisposed;

    /// <summary>How the server is to be stopped.</summary>
    public StopOptions Stop
    {
        get
        {
            lock (_gate)
                return _stop;
        }
    }

    /// <summary>Begins to follow the configuration. The server is started.</summary>
    public void Begin()
    {
        IDisposable registration = ChangeToken.OnChange(_section.GetReloadToken, Apply);
        lock (_gate)
            _registration = registration;
        Apply(); // what has changed since the options were read
    }

    public void Dispose()
    {
        IDisposable? registration;
        lock (_gate)
        {
            _isDisposed = true;
            registration = _registration;
        }

        registration?.Dispose();
    }

    // Never throws: the thread belongs to whoever reloads the configuration.
    private void Apply()
    {
        lock (_gate)
        {
            if (_isDisposed)
                return;
            IReadOnlyDictionary<string, string?> now = setup.Snapshot();
            string[] changed = [.. now.Keys.Union(_seen.Keys, StringComparer.OrdinalIgnoreCase).Where(key => now.GetValueOrDefault(key) != _seen.GetValueOrDefault(key) || now.ContainsKey(key) != _seen.ContainsKey(key)).Order(StringComparer.OrdinalIgnoreCase)];
            if (changed.Length == 0)
                return;
            try
            {
                if (now.Count == 0)
                    throw new InvalidOperationException($"The configuration has no section \"{_section.Path}\" any more.");
                WebSocketServerOptions options = services.GetRequiredService<IOptionsFactory<WebSocketServerOptions>>().Create(setup.Name);
                StopOptions stop = setup.Stop();
                Listen([.. options.Urls]);
                server.Change(options);
                _stop = stop;
            }
            catch (Exception problem)
            {
                log.ConfigurationRefused(setup.Name, problem.Message);
                return;
            }

            _seen = now;
            Tell(changed, log.ConfigurationApplied, isAtOnce: true);
            Tell(changed, log.RestartNeeded, isAtOnce: false);
            if (changed.Any(key => IsBelow(key, ConfigurationCheck.Stop)))
                setup.CheckDuration(_stop, services, log);
        }
    }

    private void Tell(string[] changed, Action<string, string> tell, bool isAtOnce)
    {
        string[] keys = [.. changed.Where(key => IsAtOnce(key) == isAtOnce)];
        if (keys.Length > 0)
            tell(setup.Name, string.Join(", ", keys.Select(key => ConfigurationPath.Combine(_section.Path, key))));
    }

    private static bool IsAtOnce(string key) =>
        WebSocketServer.ChangeableOptions.Append(nameof(WebSocketServerOptions.Urls)).Append(ConfigurationCheck.Stop).Any(option => IsBelow(key, option));

    private static bool IsBelow(string key, string option) => key.Split(ConfigurationPath.KeyDelimiter)[0].Equals(option, StringComparison.OrdinalIgnoreCase);

    // All of it, or nothing. New addresses come first, so that there is no moment without any; one that takes the port of an old one has to wait until that is closed.
    private void Listen(IReadOnlyList<string> urls)
    {
        string[] removed = [.. _urls.Except(urls, StringComparer.Ordinal)];
        List<string> added = [];
        List<string> closed = [];
        try
        {
            List<string> later = [];
            foreach (string url in urls.Except(_urls, StringComparer.Ordinal))
            {
                if (TryListen(url, removed.Length > 0))
                    added.Add(url);
                else
                    later.Add(url);
            }

            foreach (string url in removed)
            {
                if (server.StopListening(url))
                    closed.Add(url);
            }

            foreach (string url in later)
            {
                server.Listen(url);
                added.Add(url);
            }

            _urls = urls;
        }
        catch
        {
            foreach (string url in added)
                server.StopListening(url);
            foreach (string url in closed)
                TryListen(url, mayFail: true);
            throw;
        }
    }

    private bool TryListen(string url, bool mayFail)
    {
        try
        {
            server.Listen(url);
            return true;
        }
        catch (IOException) when (mayFail)
        {
            return false;
        }
    }
}
