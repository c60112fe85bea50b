using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace WebSocketServerKit;

/// <summary>Sets up one path of a server that the host runs: <see cref="WebSocketServerBuilder.Path"/> makes it. Use it before the host is built. Not thread-safe.</summary>
public sealed class WebSocketPathBuilder
{
    internal WebSocketPathBuilder(WebSocketServerBuilder server, string template) => (Server, Template) = (server, template);

    /// <summary>The builder of the server, to go on with it.</summary>
    public WebSocketServerBuilder Server { get; }

    /// <summary>The template of the path.</summary>
    public string Template { get; }

    /// <summary>Lets handlers of a type handle the clients of the path. Otherwise like <see cref="WebSocketServerBuilder.AddHandler{THandler}"/>.</summary>
    /// <typeparam name="THandler">The handler.</typeparam>
    /// <param name="lifetime">What a scope and a handler are made for.</param>
    /// <returns>This builder.</returns>
    public WebSocketPathBuilder AddHandler<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(HandlerLifetime lifetime = HandlerLifetime.Client)
        where THandler : WebSocketHandler
    {
        Server.Services.TryAddScoped<THandler>();
        Server.Configure((services, server) => Server.Setup.Route(services, typeof(THandler), lifetime).Subscribe(server.Path(Template)));
        return this;
    }

    /// <summary>Subscribes to events of the path.</summary>
    /// <param name="configure">Called once, when the host starts: before the server listens.</param>
    /// <returns>This builder.</returns>
    public WebSocketPathBuilder Configure(Action<IServiceProvider, WebSocketPath> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Server.Configure((services, server) => configure(services, server.Path(Template)));
        return this;
    }
}
