using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Claims;
using WebSocketServerKit;

namespace Consumers.Hosts;

/// <summary>Devices connect with a token; the gateway asks them, and they answer: <c>7 status</c>, <c>7 all is well</c>.</summary>
internal sealed class DeviceGateway : IAsyncDisposable
{
    private readonly WebSocketServer _server;
    private readonly ConcurrentDictionary<string, WebSocketClient> _devices = new(StringComparer.Ordinal);
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
            .OnConnected((device, _) =>
            {
                device.State = new ConcurrentDictionary<int, TaskCompletionSource<string>>();
                _devices[NameOf(device)] = device;
                return device.SendAsync($"hello {NameOf(device)}");
            })
            .OnMessage((device, message) =>
            {
                string[] parts = message.Text.Split(' ', 2);
                if (QuestionsTo(device).TryRemove(int.Parse(parts[0], CultureInfo.InvariantCulture), out TaskCompletionSource<string>? question))
                    question.SetResult(parts[1]);
                return default(ValueTask);
            })
            .OnDisconnected((device, _) =>
            {
                _devices.TryRemove(KeyValuePair.Create(NameOf(device), device));
                return default(ValueTask);
            });
    }

    public EndPoint EndPoint => _server.EndPoints[0];

    public Task StartAsync() => _server.StartAsync();

    /// <summary>Asks a device. Throws when it is not online, leaves, or does not answer in time.</summary>
    public async Task<string> AskAsync(string device, string question, TimeSpan timeout)
    {
        if (!_devices.TryGetValue(device, out WebSocketClient? client))
            throw new InvalidOperationException($"{device} is not online.");
        int number = Interlocked.Increment(ref _lastQuestion);
        TaskCompletionSource<string> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        QuestionsTo(client)[number] = answer;
        try
        {
            await client.SendAsync($"{number} {question}", client.ConnectionClosed);
            return await answer.Task.WaitAsync(timeout, client.ConnectionClosed);
        }
        finally
        {
            QuestionsTo(client).TryRemove(number, out _);
        }
    }

    public async Task<TimeSpan> MeasureAsync(string device) => await _devices[device].PingAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static string NameOf(WebSocketClient device) => device.User!.Identity!.Name!;

    private static ConcurrentDictionary<int, TaskCompletionSource<string>> QuestionsTo(WebSocketClient device) =>
        device.GetState<ConcurrentDictionary<int, TaskCompletionSource<string>>>();

    private static async Task<string?> FindDeviceAsync(string? authorization, CancellationToken cancellationToken)
    {
        await Task.Delay(1, cancellationToken); // the database
        return authorization is "Bearer secret-of-pump-1" ? "pump-1" : null;
    }
}
