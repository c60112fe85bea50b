using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WebSocketServerKit;

namespace Consumers.Hosts;

/// <summary>A server as a service of the generic host, with its options, and those of a path, from appsettings.json.</summary>
internal sealed class HostedEcho(IConfiguration configuration, ILoggerFactory loggerFactory) : IHostedService, IAsyncDisposable
{
    private readonly WebSocketServer _server =
        new(configuration.GetRequiredSection("WebSocketServer").Get<WebSocketServerOptions>()!, loggerFactory);

    public IReadOnlyList<EndPoint> EndPoints => _server.EndPoints;

    public static IHost Build()
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddSingleton<HostedEcho>();
        builder.Services.AddHostedService(services => services.GetRequiredService<HostedEcho>());
        return builder.Build();
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _server.Path("/short", configuration.GetRequiredSection("ShortMessages").Get<PathOptions>());
        _server.Path("/");
        _server.OnMessage((client, message) => client.SendAsync(message.Payload, message.MessageType));
        return _server.StartAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => _server.StopAsync(CloseCode.ServiceRestart, "be right back", cancellationToken);

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
