using System.Net;
using System.Security.Claims;
using WebSocketServerKit;

namespace Consumers.Hosts;

/// <summary>Devices connect with a token; the gateway asks them, and they answer: <c>7 status</c>, <c>7 all is well</c>.</summary>
internal sealed class DeviceGateway : IAsyncDisposable
{
    private readonly WebSocketServer _server;
    private int _lastQuestion;

    public DeviceGateway(WebSocketServerOptions options)
    {
        _server = new WebSocketServer(options)
            .OnHandshaking(async e =>
            {
                if (await FindDeviceAsync(e.Request.Headers["Authorization"], e.ConnectionClosed) is { } name)
                    e.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], "token"));
                else
                    e.Refuse(HttpStatusCode.Unauthorized);
            })
            .OnConnected((device, _) => device.SendAsync($"hello {device.UserId}"));
    }

    public EndPoint EndPoint => _server.EndPoints[0];

    public Task StartAsync() => _server.StartAsync();

    /// <summary>Asks a device. Throws when it is not online, leaves, or does not answer in time.</summary>
    public async Task<string> AskAsync(string device, string question, TimeSpan timeout)
    {
        string start = $"{Interlocked.Increment(ref _lastQuestion)} ";
        return await Find(device).RequestAsync(
            start + question, message => message.Text.StartsWith(start, StringComparison.Ordinal) ? message.Text[start.Length..] : null, timeout);
    }

    public async Task<TimeSpan> MeasureAsync(string device) => await Find(device).PingAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private WebSocketClient Find(string device) => _server.Clients.WithUser(device).FirstOrDefault() ?? throw new InvalidOperationException($"{device} is not online.");

    private static async Task<string?> FindDeviceAsync(string? authorization, CancellationToken cancellationToken)
    {
        await Task.Delay(1, cancellationToken); // the database
        return authorization is "Bearer secret-of-pump-1" ? "pump-1" : null;
    }
}
