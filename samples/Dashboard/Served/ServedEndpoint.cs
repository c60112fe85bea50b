using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using Dashboard.Control;
using WebSocketServerKit;

namespace Dashboard.Served;

/// <summary>The server that the page opens and closes, and what is known of it.</summary>
internal sealed class ServedEndpoint : IAsyncDisposable
{
    /// <summary>How many clients the page lists: the first to come. All are counted, and served.</summary>
    public const int MaxListedClients = 200;

    private readonly WebSocketServerOptions _options = new()
    {
        EndPoints = { new IPEndPoint(IPAddress.Loopback, 0) }, // until the page names one
        CloseTimeout = TimeSpan.FromSeconds(2),
        StopTimeout = TimeSpan.FromSeconds(3),
    };

    private readonly WebSocketServer _server; // one for all openings, so that ids of clients are never used twice
    private readonly SemaphoreSlim _turn = new(1); // to open or close: several pages may ask at once
    private volatile EndpointState _state = new(EndpointStatus.Closed);
    private volatile Relay _relay = new(RelayMode.Off);

    public ServedEndpoint()
    {
        _server = new WebSocketServer(_options);
        _server.Handshaking += (_, e) => ClientRow.Remember(e);
        _server.ClientConnected += (_, e) => Log(e.Client, end: null);
        _server.ClientDisconnected += (_, e) =>
            Log(e.Client, new PassageEnd((int)e.CloseCode, e.CloseReason, e.Cause.ToString(), e.ClosedBy == ConnectionSide.Server));
        _server.MessageReceived += (_, e) => Receive(e);
    }

    public EndpointState State => _state;

    public Relay Relay => _relay;

    public Meter Meter { get; } = new(TimeProvider.System);

    public SampledLog<MessageSample> Messages { get; } = new(capacity: 300, perReport: 30);

    public SampledLog<Passage> Passages { get; } = new(capacity: 200, perReport: 30);

    public int ClientCount => _server.Clients.Count;

    public IReadOnlyList<ClientRow> ListClients() => [.. Listed.Select(ClientRow.Of)];

    public Second EndSecond()
    {
        foreach (WebSocketConnection client in Listed)
            client.MeasureLatency();
        return Meter.EndSecond(ClientCount);
    }

    /// <param name="address">What somebody typed, as is the port.</param>
    /// <param name="port">From 0 to 65535.</param>
    /// <param name="origins">Web pages that may connect.</param>
    public async Task<string> OpenAsync(string address, string port, IEnumerable<string> origins)
    {
        IPEndPoint endPoint = ParseEndPoint(address, port);
        await _turn.WaitAsync();
        try
        {
            if (_server.IsListening)
                throw new RefusedCommandException($"The server is open already, on {_state.Address}. Close it first.");
            _options.EndPoints[0] = endPoint;
            _options.AllowedOrigins.Clear();
            foreach (string origin in origins)
                _options.AllowedOrigins.Add(origin);
            await _server.StartAsync();
            _state = new EndpointState(EndpointStatus.Open, _server.EndPoints[0].ToString(), DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
            return $"Open on {_state.Address}.";
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task<string> CloseAsync()
    {
        await _turn.WaitAsync();
        try
        {
            if (!_server.IsListening)
                throw new RefusedCommandException("The server is closed already.");
            _state = _state with { Status = EndpointStatus.Closing };
            StopResult result = await _server.StopAsync();
            return $"Closed. Clients that left cleanly: {result.ClosedCleanly}, that were cut: {result.Cut}.";
        }
        finally
        {
            if (!_server.IsListening)
                _state = new EndpointState(EndpointStatus.Closed);
            _turn.Release();
        }
    }

    public string Disconnect(long id)
    {
        WebSocketConnection client = Find(id);
        // Nobody waits for it: the client may take its time, and the log tells when it has left.
        _ = client.CloseAsync(WebSocketCloseStatus.NormalClosure, "disconnected by the server");
        return $"Client {id} is being disconnected.";
    }

    public string Send(long? id, bool binary, string data)
    {
        byte[] payload = binary ? ParseHex(data) : Encoding.UTF8.GetBytes(data);
        WebSocketMessageType type = binary ? WebSocketMessageType.Binary : WebSocketMessageType.Text;
        BroadcastResult result = id is null ? _server.Clients.Broadcast(payload, type) : Find(id.Value).TrySend(payload, type) ? new(1, 0, 0) : new(0, 1, 0);
        Meter.Sent(payload.Length, result.Sent);
        Messages.Add(payload, (payload, number) => MessageSample.Of(number, client: null, path: "", type, payload, result.Sent));
        string missed = result.Dropped + result.Skipped == 0 ? "" : $" {result.Dropped} read too slowly and did not get it, {result.Skipped} were leaving.";
        return $"Sent to {result.Sent} {(result.Sent == 1 ? "client" : "clients")}.{missed}";
    }

    public string SetRelay(Relay relay)
    {
        if (relay.Mode == RelayMode.Path && !relay.Path.StartsWith('/'))
            throw new RefusedCommandException("A path begins with a slash: /alice.");
        _relay = relay;
        return "";
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _turn.Dispose();
    }

    private IEnumerable<WebSocketConnection> Listed => _server.Clients.OrderBy(client => client.Id).Take(MaxListedClients);

    private static IPEndPoint ParseEndPoint(string address, string port)
    {
        // "8080" alone would be the address 0.0.31.144.
        if (!IPAddress.TryParse(address.Trim(), out IPAddress? ip) || !address.AsSpan().ContainsAny('.', ':'))
            throw new RefusedCommandException($"“{address}” is no IP address. Use 127.0.0.1 for this machine alone, 0.0.0.0 for all of IPv4, :: for everything.");
        if (!ushort.TryParse(port, CultureInfo.InvariantCulture, out ushort number))
            throw new RefusedCommandException($"“{port}” is no port. Use a number from 1 to 65535, or 0 to let the system choose.");
        return new IPEndPoint(ip, number);
    }

    private static byte[] ParseHex(string data)
    {
        try
        {
            return Convert.FromHexString(string.Concat(data.Where(character => !char.IsWhiteSpace(character))));
        }
        catch (FormatException)
        {
            throw new RefusedCommandException("Binary data is written in hex, two digits a byte: 48 65 6c 6c 6f.");
        }
    }

    private WebSocketConnection Find(long id) => _server.Clients.Find(id) ?? throw new RefusedCommandException($"Client {id} has left.");

    private void Receive(MessageReceivedEventArgs e)
    {
        long began = Stopwatch.GetTimestamp();
        Delivery? relayed = _relay.Deliver(_server.Clients, e);
        if (relayed is { } delivery)
            Meter.Relayed(delivery);
        // Logged after it was sent on, to tell to how many: an answer that comes at once may stand before it.
        Messages.Add((e, relayed), static (message, number) =>
            MessageSample.Of(number, message.e.Client.Id, message.e.Client.Path, message.e.MessageType, message.e.Payload, message.relayed?.Result.Sent));
        Meter.Received(e.Payload.Length, Stopwatch.GetElapsedTime(began));
    }

    private void Log(WebSocketConnection client, PassageEnd? end) => Passages.Add((client, end), static (passage, number) => new Passage(
        number, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), passage.client.Id, passage.client.Path, passage.client.RemoteEndPoint.ToString(), passage.end));
}
