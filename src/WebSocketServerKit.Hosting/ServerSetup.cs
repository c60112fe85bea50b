using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace WebSocketServerKit;

/// <summary>
/// What the host knows of one server: the section of its configuration, and what the builder was told. Binds and checks the options. Changed only while services are added; after that thread-safe.
/// </summary>
internal sealed partial class ServerSetup(string name) : IValidateOptions<WebSocketServerOptions>
{
    private readonly Dictionary<string, List<Action<PathOptions>>> _paths = new(StringComparer.Ordinal);

    public string Name => name;

    public IConfigurationSection? Section { get; set; }

    public bool AllowsUnknownKeys { get; set; }

    /// <summary>What the configuration was when the options were first set from it; null before.</summary>
    public IReadOnlyDictionary<string, string?>? Bound { get; private set; }

    /// <summary>What is done with the server before its first start, in order.</summary>
    public List<Action<IServiceProvider, WebSocketServer>> Steps { get; } = [];

    public List<Action<StopOptions>> StopSteps { get; } = [];

    public void AddPath(string template, Action<PathOptions>? configure)
    {
        if (!_paths.TryGetValue(template, out List<Action<PathOptions>>? steps))
            _paths[template] = steps = [];
        if (configure is not null)
            steps.Add(configure);
    }

    public HandlerRoute Route(IServiceProvider services, Type handler, HandlerLifetime lifetime) =>
        new(name, handler, lifetime, services.GetRequiredService<IServiceScopeFactory>(), WebSocketServerServiceCollectionExtensions.LogOf(services));

    /// <summary>Sets the options from the configuration.</summary>
    /// <exception cref="OptionsValidationException">The configuration has unknown keys, or values of another type.</exception>
    public void Bind(WebSocketServerOptions options)
    {
        if (Section is null)
            return;
        Bound ??= Snapshot();
        IReadOnlyList<string> problems = ConfigurationCheck.Find(Section, AllowsUnknownKeys);
        if (problems.Count > 0)
            throw new OptionsValidationException(name, typeof(WebSocketServerOptions), problems);
        Section.Bind(options);
        foreach (IConfigurationSection place in Section.GetSection(ConfigurationCheck.Listen).GetChildren())
        {
            try
            {
                Bind(place, options);
            }
            catch (ArgumentException problem)
            {
                throw new OptionsValidationException(name, typeof(WebSocketServerOptions), [Locate(problem, place.Path)]);
            }
        }
    }

    /// <summary>Checks the options, with those of the paths and of the stop.</summary>
    public ValidateOptionsResult Validate(string? nameOfOptions, WebSocketServerOptions options)
    {
        if (nameOfOptions != name)
            return ValidateOptionsResult.Skip;
        string key = Section?.Path ?? $"The WebSocket server \"{name}\"";
        try
        {
            // What the options are for checks them. Nothing of it uses the system.
            using WebSocketServer rehearsal = new(options);
            AddPaths(rehearsal);
            StopOptions stop = Stop();
            key = ConfigurationPath.Combine(key, ConfigurationCheck.Stop);
            _ = rehearsal.StopAsync(stop);
            return ValidateOptionsResult.Success;
        }
        catch (ArgumentException problem)
        {
            return ValidateOptionsResult.Fail(Locate(problem, key));
        }
    }

    /// <summary>Adds the paths of the configuration and of code.</summary>
    /// <exception cref="ArgumentException">A template or an option cannot be used.</exception>
    public void AddPaths(WebSocketServer server)
    {
        var configured = Section?.GetSection(ConfigurationCheck.Paths).GetChildren().ToDictionary(section => section.Key, StringComparer.Ordinal) ?? [];
        foreach (string template in configured.Keys.Union(_paths.Keys, StringComparer.Ordinal))
        {
            PathOptions options = new();
            if (configured.TryGetValue(template, out IConfigurationSection? section))
                section.Bind(options);
            foreach (Action<PathOptions> configure in _paths.GetValueOrDefault(template, []))
                configure(options);
            try
            {
                server.Path(template, options);
            }
            catch (ArgumentException problem) when (section is not null)
            {
                throw new ArgumentException(Locate(problem, section.Path), problem);
            }
        }
    }

    /// <summary>How the server stops.</summary>
    public StopOptions Stop()
    {
        StopOptions options = new();
        if (Section is not null)
        {
            StopSection section = new();
            Section.GetSection(ConfigurationCheck.Stop).Bind(section);
            section.ApplyTo(options);
        }

        foreach (Action<StopOptions> configure in StopSteps)
            configure(options);
        return options;
    }

    /// <summary>Warns if the host may not wait for the end of this stop.</summary>
    public void CheckDuration(StopOptions stop, IServiceProvider services, HostingLog log)
    {
        TimeSpan timeout = stop.Timeout ?? services.GetRequiredService<IOptionsMonitor<WebSocketServerOptions>>().Get(name).StopTimeout;
        TimeSpan longest = stop.ReadinessDelay + stop.Spread + timeout;
        TimeSpan shutdownTimeout = services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout;
        if (shutdownTimeout != Timeout.InfiniteTimeSpan && longest >= shutdownTimeout)
            log.StopTooLong(name, longest, shutdownTimeout);
    }

    /// <summary>All keys that have a value now, relative to the section.</summary>
    public IReadOnlyDictionary<string, string?> Snapshot() =>
        Section!.AsEnumerable(makePathsRelative: true).Where(entry => entry.Value is not null).ToDictionary(entry => entry.Key, entry => entry.Value, StringComparer.OrdinalIgnoreCase);

    // A place with options of its own. Without any it is like an entry of Urls.
    private static void Bind(IConfigurationSection place, WebSocketServerOptions options)
    {
        ListenOptions own = new();
        place.Bind(own);
        options.Listen(place[ConfigurationCheck.Url]!, own);
    }

    // Messages of the core begin with the class of options and the option: "WebSocketServerOptions.ListenDefaults.Backlog is 0; …". Who has written a configuration looks for
    // "section:ListenDefaults:Backlog". The name of a parameter says nothing to them.
    private string Locate(ArgumentException problem, string key)
    {
        string message = problem.ParamName is { } parameter ? problem.Message.Replace($" (Parameter '{parameter}')", "", StringComparison.Ordinal) : problem.Message;
        if (Section is null)
            return $"{key}: {message}";
        if (message.StartsWith($"{Section.Path}:", StringComparison.Ordinal))
            return message; // located already
        Match option = OptionInMessage.Match(message);
        if (!option.Success)
            return $"{key}: {message}";
        string group = option.Groups["class"].Value == nameof(PerMessageDeflateOptions) ? $":{nameof(WebSocketServerOptions.PerMessageDeflate)}" : "";
        return key + group + option.Groups["option"].Value.Replace('.', ':') + message[option.Length..];
    }

    [GeneratedRegex(@"^(?<class>\w+Options)(?<option>(\.\w+)+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex OptionInMessage { get; }
}
