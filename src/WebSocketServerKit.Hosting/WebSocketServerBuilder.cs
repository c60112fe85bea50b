using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace WebSocketServerKit;

/// <summary>Sets up a server that the host runs: <c>services.AddWebSocketServer(…)</c> makes it. Use it before the host is built. Not thread-safe.</summary>
public sealed class WebSocketServerBuilder
{
    internal WebSocketServerBuilder(IServiceCollection services, ServerSetup setup) => (Services, Setup) = (services, setup);

    /// <summary>The name of the server, which is the key of its service.</summary>
    public string Name => Setup.Name;

    /// <summary>The services of the host.</summary>
    public IServiceCollection Services { get; }

    internal ServerSetup Setup { get; }

    /// <summary>Sets options in code, after those of the configuration and of earlier calls.</summary>
    /// <param name="configure">Sets them. Called when the server is made, and once more each time when the configuration has changed. A value that cannot be used keeps the host from starting.</param>
    /// <returns>This builder.</returns>
    public WebSocketServerBuilder Configure(Action<WebSocketServerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Services.Configure(Name, configure);
        return this;
    }

    /// <summary>Subscribes to events, adds paths, or does what else is to be done with the server before it starts: <c>Configure((services, server) => server.AnswerHealth())</c>.</summary>
    /// <param name="configure">Called once, with the services of the host, when the host starts: before the server listens. Calls run in the order in which they were added, handlers included.</param>
    /// <returns>This builder.</returns>
    public WebSocketServerBuilder Configure(Action<IServiceProvider, WebSocketServer> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Setup.Steps.Add(configure);
        return this;
    }

    /// <summary>Sets how the server stops when the host stops, after what <c>Stop</c> in the configuration says. Default: at once, with 1001.</summary>
    /// <param name="configure">Called several times: when the host starts, each time when the configuration has changed, and when the host stops. All of the stop has to fit into <c>HostOptions.ShutdownTimeout</c> (30 s by default).</param>
    /// <returns>This builder.</returns>
    public WebSocketServerBuilder ConfigureStop(Action<StopOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Setup.StopSteps.Add(configure);
        return this;
    }

    /// <summary>Ignores keys of the configuration that are unknown. By default they keep the host from starting, and the message names the key that was probably meant.</summary>
    /// <returns>This builder.</returns>
    public WebSocketServerBuilder AllowUnknownKeys()
    {
        Setup.AllowsUnknownKeys = true;
        return this;
    }

    /// <summary>Lets handlers of a type handle all clients of the server. It is registered as a scoped service, unless it is registered already.</summary>
    /// <typeparam name="THandler">The handler.</typeparam>
    /// <param name="lifetime">What a scope and a handler are made for.</param>
    /// <returns>This builder.</returns>
    public WebSocketServerBuilder AddHandler<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(HandlerLifetime lifetime = HandlerLifetime.Client)
        where THandler : WebSocketHandler
    {
        Services.TryAddScoped<THandler>();
        return Configure((services, server) => Setup.Route(services, typeof(THandler), lifetime).Subscribe(server));
    }

    /// <summary>
    /// Adds a path with handlers and options of its own: see <see cref="WebSocketServer.Path"/>. Options in the configuration (<c>Paths</c>, by template) come first, then those of this call. Called again with
    /// the same template, it returns a builder of the same path.
    /// </summary>
    /// <param name="template">The template: <c>/rooms/{room}</c>. One that cannot be used keeps the host from starting, as does an option.</param>
    /// <param name="configure">Sets options of the path; null for none. Called several times when the host starts, and when the configuration has changed.</param>
    /// <returns>A builder of the path.</returns>
    public WebSocketPathBuilder Path(string template, Action<PathOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(template);
        Setup.AddPath(template, configure);
        return new WebSocketPathBuilder(this, template);
    }
}
