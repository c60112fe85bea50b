using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using WebSocketServerKit;

Option<string> url = new("--url") { Description = "Where to listen: http://*:8082 for every address", DefaultValueFactory = _ => "http://127.0.0.1:8082" };
Option<string?> key = new("--key") { Description = "Secret that signs the tokens of devices (default: one for this run)" };
Option<int> devices = new("--devices") { Description = "Number of simulated devices to start with the gateway" };
RootCommand command = new("Devices connect with a token and answer questions that come by HTTP: GET /devices, GET /devices/{id}/{question}.") { url, key, devices };
command.SetAction(async (arguments, _) =>
{
    try
    {
        WebSocketServerOptions options = new()
        {
            MaxMessageSize = 16 * 1024,
            PingInterval = TimeSpan.FromSeconds(5), // a device without power is noticed within 10 s
            PingTimeout = TimeSpan.FromSeconds(5),
            ExpiryNotice = TimeSpan.FromSeconds(30),
        };
        await using WebSocketServer server = new(options.Listen(arguments.GetValue(url)!));
        Tokens tokens = new(arguments.GetValue(key) is { } secret ? Encoding.UTF8.GetBytes(secret) : RandomNumberGenerator.GetBytes(32));
        new Gateway(server, tokens).Serve();
        await RunUntilSignalAsync(server, tokens, arguments.GetValue(devices));
        return 0;
    }
    catch (Exception problem) when (problem is IOException or ArgumentException)
    {
        Console.Error.WriteLine(problem.Message);
        return 1;
    }
});
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

static async Task RunUntilSignalAsync(WebSocketServer server, Tokens tokens, int devices)
{
    ArgumentOutOfRangeException.ThrowIfNegative(devices);
    TaskCompletionSource stop = new();
    using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
    using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
    await server.StartAsync();
    Console.WriteLine($"Gateway: http://{server.EndPoints[0]}/devices");
    Console.WriteLine($"A device connects to ws://{server.EndPoints[0]}/connect with the header Authorization: Bearer {tokens.Issue("device-0", TimeSpan.FromHours(1))}");

    using CancellationTokenSource ending = new();
    Task simulation = Task.WhenAll(Enumerable.Range(1, devices).Select(number => SimulatedDevice.RunAsync(server.EndPoints[0], tokens, $"device-{number}", ending.Token)));
    Console.WriteLine("Press Ctrl+C to stop.");
    await stop.Task;
    await ending.CancelAsync();
    await simulation;
    await server.StopAsync();

    void OnSignal(PosixSignalContext signal)
    {
        signal.Cancel = true;
        stop.TrySetResult();
    }
}

/// <summary>Lets devices in, asks them what HTTP clients want to know, and tells who is online.</summary>
internal sealed class Gateway
{
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    private readonly WebSocketServer _server;
    private readonly Tokens _tokens;
    private readonly WebSocketPath _devices;
    private long _lastQuestion;

    public Gateway(WebSocketServer server, Tokens tokens)
    {
        _server = server;
        _tokens = tokens;
        _devices = server.Path("/connect");
    }

    public void Serve()
    {
        _devices.Handshaking += CheckToken;
        _devices.ClientConnected += ReplaceOlder;
        _devices.MessageReceived += (_, e) => Renew(e);
        _devices.ClientDisconnected += (_, e) => TellOffline(e);
        _server.ClientExpiring += (_, e) => e.Client.TrySendJson(new ToDevice { TokenExpires = e.Client.ExpiresAt }, Json.Default.ToDevice);
        _server.OnHttpRequest(AnswerAsync);
    }

    private void CheckToken(object? sender, HandshakingEventArgs e)
    {
        const string Scheme = "Bearer ";
        string? authorization = e.Request.Headers["Authorization"];
        if (authorization is null || !authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) || _tokens.Check(authorization[Scheme.Length..]) is not { } token)
        {
            e.Refuse(HttpStatusCode.Unauthorized, "The token is missing, invalid or expired.\n", headers: [new("WWW-Authenticate", "Bearer")]);
            return;
        }

        e.UserId = token.Device;
        e.ExpiresAt = token.Expires;
    }

    // A device that lost its network connects again before the old connection is found dead.
    private void ReplaceOlder(object? sender, ClientConnectedEventArgs e)
    {
        ClientSelection older = _server.Clients.WithUser(e.Client.UserId!).Where(other => other.Id < e.Client.Id);
        Console.WriteLine(older.Count == 0 ? $"{e.Client.UserId} is online" : $"{e.Client.UserId} has connected again");
        older.Abort();
    }

    private void TellOffline(ClientDisconnectedEventArgs e)
    {
        if (_server.Clients.WithUser(e.Client.UserId!).Count == 0)
            Console.WriteLine($"{e.Client.UserId} is offline: {e.Cause} {e.CloseReason}".TrimEnd());
    }

    // Answers are taken by RequestAsync. What is left is a new token.
    private void Renew(MessageReceivedEventArgs e)
    {
        FromDevice message = e.ReadJson(Json.Default.FromDevice);
        if (message.Token is { } text && _tokens.Check(text) is { } token && token.Device == e.Client.UserId)
            e.Client.ExpiresAt = token.Expires;
    }

    private async Task AnswerAsync(HttpRequestReceivedEventArgs e)
    {
        string[] parts = e.Request.Path.Split('/');
        if (e.Request.Method is not "GET" || parts is not ["", "devices", ..] || parts.Length > 4)
            return;
        if (parts is [_, _])
        {
            DeviceState[] online = [.. _devices.Clients.Select(device => new DeviceState(device.UserId!, device.ConnectedAt, device.Latency?.TotalMilliseconds))];
            e.Respond(HttpStatusCode.OK, JsonSerializer.SerializeToUtf8Bytes(online, Json.Default.DeviceStateArray), "application/json");
            return;
        }

        if (parts is not [_, _, { Length: > 0 } id, var question])
        {
            e.Respond(HttpStatusCode.NotFound, "Ask a device: GET /devices/{id}/{question}\n");
            return;
        }

        if (_server.Clients.WithUser(id).MaxBy(client => client.Id) is not { } device)
        {
            e.Respond(HttpStatusCode.NotFound, "This device is not online.\n");
            return;
        }

        try
        {
            e.Respond(HttpStatusCode.OK, await AskAsync(device, question, e.ConnectionClosed));
        }
        catch (TimeoutException)
        {
            e.Respond(HttpStatusCode.GatewayTimeout, "The device did not answer in time.\n");
        }
        catch (WebSocketException)
        {
            e.Respond(HttpStatusCode.BadGateway, "The device has left.\n");
        }
        catch (JsonException)
        {
            e.Respond(HttpStatusCode.BadGateway, "The device has sent something that is not an answer.\n");
        }
    }

    private Task<string> AskAsync(WebSocketClient device, string question, CancellationToken cancellationToken)
    {
        long number = Interlocked.Increment(ref _lastQuestion);
        PreparedMessage request = PreparedMessage.FromJson(new ToDevice { Question = number, Ask = question }, Json.Default.ToDevice);
        return device.RequestAsync(
            request, message => message.ReadJson(Json.Default.FromDevice) is { Value: { } value } answer && answer.Question == number ? value : null, AnswerTime, cancellationToken);
    }
}

/// <summary>Tokens of the form <c>device.expiry.signature</c>. A product would take JWTs of its identity provider.</summary>
internal sealed class Tokens(byte[] key)
{
    public string Issue(string device, TimeSpan lifetime)
    {
        string content = $"{device}.{DateTimeOffset.UtcNow.Add(lifetime).ToUnixTimeSeconds()}";
        return $"{content}.{Sign(content)}";
    }

    /// <summary>What the token says, or null if it is not ours or has expired.</summary>
    public (string Device, DateTimeOffset Expires)? Check(string token)
    {
        if (token.Split('.') is not [var device, var expiry, var signature]
            || !CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Sign($"{device}.{expiry}")), Encoding.ASCII.GetBytes(signature)))
        {
            return null;
        }

        DateTimeOffset expires = DateTimeOffset.FromUnixTimeSeconds(long.Parse(expiry, CultureInfo.InvariantCulture));
        return expires > DateTimeOffset.UtcNow ? (device, expires) : null;
    }

    private string Sign(string content) => Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(content)));
}

/// <summary>A device for trying: it connects, answers every question, and gets a new token when its own expires soon.</summary>
internal static class SimulatedDevice
{
    private static readonly TimeSpan TokenLifetime = TimeSpan.FromMinutes(2);

    public static async Task RunAsync(EndPoint gateway, Tokens tokens, string id, CancellationToken cancellationToken)
    {
        try
        {
            using ClientWebSocket socket = new();
            socket.Options.SetRequestHeader("Authorization", "Bearer " + tokens.Issue(id, TokenLifetime));
            await socket.ConnectAsync(new Uri($"ws://{gateway}/connect"), cancellationToken);
            byte[] buffer = new byte[16 * 1024];
            while (true)
            {
                ValueWebSocketReceiveResult read = await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken);
                if (read.MessageType == WebSocketMessageType.Close)
                    return;
                ToDevice message = JsonSerializer.Deserialize(buffer.AsSpan(0, read.Count), Json.Default.ToDevice)!;
                FromDevice answer = message.TokenExpires is not null
                    ? new FromDevice { Token = tokens.Issue(id, TokenLifetime) }
                    : new FromDevice { Question = message.Question, Value = $"{message.Ask} of {id} is {Random.Shared.Next(15, 30)}" };
                await socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(answer, Json.Default.FromDevice), WebSocketMessageType.Text, endOfMessage: true, cancellationToken);
            }
        }
        catch (Exception end) when (end is OperationCanceledException or WebSocketException)
        {
            // The gateway stops, or has closed the connection.
        }
    }
}

/// <summary>What a device gets: a question, or the note that its token expires soon.</summary>
internal sealed record ToDevice
{
    public long? Question { get; init; }

    public string? Ask { get; init; }

    public DateTimeOffset? TokenExpires { get; init; }
}

/// <summary>What a device sends: an answer, or a new token.</summary>
internal sealed record FromDevice
{
    public long? Question { get; init; }

    public string? Value { get; init; }

    public string? Token { get; init; }
}

internal sealed record DeviceState(string Id, DateTimeOffset Since, double? LatencyMilliseconds);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ToDevice))]
[JsonSerializable(typeof(FromDevice))]
[JsonSerializable(typeof(DeviceState[]))]
internal sealed partial class Json : JsonSerializerContext;
