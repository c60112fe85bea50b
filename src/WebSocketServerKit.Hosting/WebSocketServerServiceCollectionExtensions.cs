using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace WebSocketServerKit;

/// <summary>Adds servers that the host starts and stops.</summary>
public static class WebSocketServerServiceCollectionExtensions
{
    /// <summary>The name of a server that was added without one.</summary>
    public const string DefaultName = "default";

    /// <summary>Adds a server with the name <see cref="DefaultName"/>. Otherwise like <see cref="AddWebSocketServer(IServiceCollection, string, Action{WebSocketServerOptions})"/>.</summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="configure">Sets options.</param>
    /// <returns>A builder for handlers, paths and the rest.</returns>
    public static WebSocketServerBuilder AddWebSocketServer(this IServiceCollection services, Action<WebSocketServerOptions>? configure = null) =>
        services.AddWebSocketServer(DefaultName, configure);

    /// <summary>
    /// Adds a server that the host starts and stops. It starts after the hosted services that were registered before it, and before those that are registered later; its stop is waited for in the reverse order.
    /// Several servers need several names.
    /// </summary>
    /// <remarks>
    /// <para>
    /// The <see cref="WebSocketServer"/> is a keyed singleton by its name, and without a key if it is the only one. Its options are the named options
    /// <see cref="WebSocketServerOptions"/>, so <c>services.PostConfigure&lt;WebSocketServerOptions&gt;(name, …)</c> has the last word. They are checked when the host starts.
    /// </para>
    /// <para>
    /// When the host begins to stop, the stops of all its servers begin, each as <c>Stop</c> of its configuration says; then each is waited for in its turn. <c>HostOptions.ShutdownTimeout</c> bounds the whole stop: when it is over, the clients that
    /// are left are reset.
    /// </para>
    /// <para>Called again with the same name, it adds to the same server.</para>
    /// </remarks>
    /// <param name="services">The services of the host.</param>
    /// <param name="name">The name, as key and in log lines.</param>
    /// <param name="configure">Sets options.</param>
    /// <returns>A builder for handlers, paths and the rest.</returns>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public static WebSocketServerBuilder AddWebSocketServer(this IServiceCollection services, string name, Action<WebSocketServerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ServerSetups setups = SetupsOf(services);
        if (!setups.TryGet(name, out ServerSetup? setup))
        {
            setup = setups.Add(name);
            Add(services, setup);
        }

        if (configure is not null)
            services.Configure(name, configure);
        return new WebSocketServerBuilder(services, setup);
    }

    /// <summary>Adds a server with the name <see cref="DefaultName"/> and options from the configuration. Otherwise like <see cref="AddWebSocketServer(IServiceCollection, string, IConfigurationSection)"/>.</summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="section">The section.</param>
    /// <returns>A builder for handlers, paths and the rest.</returns>
    public static WebSocketServerBuilder AddWebSocketServer(this IServiceCollection services, IConfigurationSection section) => services.AddWebSocketServer(DefaultName, section);

    /// <summary>Adds a server with options from the configuration: <c>services.AddWebSocketServer("chat", configuration.GetSection("WebSocketServers:chat"))</c>.</summary>
    /// <remarks>
    /// <para>
    /// The keys are the properties of <see cref="WebSocketServerOptions"/>; <c>Listen</c>, a list of places with a <c>Url</c> and the properties of <see cref="ListenOptions"/>; <c>Paths</c>, the
    /// <see cref="PathOptions"/> by template; and <c>Stop</c>, the properties of <see cref="StopOptions"/>. A key that is none of them, or a value that cannot be used, keeps the host from starting.
    /// </para>
    /// <para>
    /// When the configuration is reloaded, <c>Urls</c>, <c>Stop</c> and, for new clients, the <see cref="WebSocketServer.ChangeableOptions"/> take effect at once. The log names other keys that have changed: they need a restart. If the new values cannot be used, those of
    /// before stay in force, and an error is logged. Contents of certificate files are watched anyway.
    /// </para>
    /// </remarks>
    /// <param name="services">The services of the host.</param>
    /// <param name="name">The name, as key and in log lines.</param>
    /// <param name="section">The section. If it does not exist, the host does not start, unless code says where to listen.</param>
    /// <returns>A builder for handlers, paths and the rest.</returns>
    /// <exception cref="ArgumentException">The name is empty, or the server has another section already.</exception>
    public static WebSocketServerBuilder AddWebSocketServer(this IServiceCollection services, string name, IConfigurationSection section)
    {
        ArgumentNullException.ThrowIfNull(section);
        WebSocketServerBuilder builder = services.AddWebSocketServer(name);
        if (builder.Setup.Section is { } other && other.Path != section.Path)
            throw new ArgumentException($"The WebSocket server \"{name}\" has the configuration \"{other.Path}\" already. Give another server another name.", nameof(section));
        builder.Setup.Section = section;
        return builder;
    }

    private static void Add(IServiceCollection services, ServerSetup setup)
    {
        string name = setup.Name;
        // The configuration comes before what code sets, whenever its section is added.
        services.AddOptions<WebSocketServerOptions>(name).Configure<IServiceProvider>((options, provider) =>
        {
            options.Name = name;
            if (provider.GetService<IMeterFactory>() is { } meters)
                options.UseMeterFactory(meters);
        }).Configure(setup.Bind).ValidateOnStart();
        services.AddSingleton<IValidateOptions<WebSocketServerOptions>>(setup);
        services.AddKeyedSingleton(name, (provider, _) => new WebSocketServer(
            provider.GetRequiredService<IOptionsMonitor<WebSocketServerOptions>>().Get(name), provider.GetService<ILoggerFactory>()));
        services.AddSingleton<IHostedService>(provider => new HostedWebSocketServer(setup, provider, LogOf(provider)));
    }

    internal static HostingLog LogOf(IServiceProvider provider) =>
        new((provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger("WebSocketServerKit.Hosting"));

    private static ServerSetups SetupsOf(IServiceCollection services)
    {
        if (services.FirstOrDefault(service => service.ServiceType == typeof(ServerSetups))?.ImplementationInstance is ServerSetups present)
            return present;
        ServerSetups setups = new();
        services.AddSingleton(setups);
        services.TryAddSingleton(provider => provider.GetRequiredKeyedService<WebSocketServer>(setups.OnlyName()));
        return setups;
    }
}
