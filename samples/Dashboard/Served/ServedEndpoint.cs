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
    private const int MessagesRemembered = 300;
    private const long MaxBytesRemembered = 16 * 1024 * 1024;

    private readonly WebSocketServerOptions _options = new()
    {
        Urls = ["http://127.0.0.1:0"], // until the page names one
        CloseTimeout = TimeSpan.FromSeconds(2),
        StopTimeout = TimeSpan.FromSeconds(3),
    };

    private readonly WebSocketServer _server; // one for all openings, so that ids of clients are never used twice
    private readonly KeptMessages _kept = new(MessagesRemembered, MaxBytesRemembered);
    private readonly SemaphoreSlim _turn = new(1); // to open or close: several pages may ask at once
    private volatile EndpointState _state = new(EndpointStatus.Closed);
    private volatile Relay _relay = new(RelayMode.Off);

    public ServedEndpoint()
    {
        _server = new WebSocketServer(_options);
        _server.Handshaking += (_, e) => ClientRow.Remember(e);
        _server.ClientConnected += (_, e) => Log(e.Client, end: null);
        _server.ClientDisconnected += (_, e) =>
            Log(e.Client, new PassageEnd(e.CloseCode.Value, e.CloseReason, e.Cause.ToString(), e.ClosedBy == ConnectionSide.Server));
        _server.MessageReceived += (_, e) => Receive(e);
    }

    public EndpointState State => _state;

    public Relay Relay => _relay;

    public Meter Meter { get; } = new(TimeProvider.System);

    public SampledLog<MessageSample> Messages { get; } = new(MessagesRemembered, perReport: 30);

    public SampledLog<Passage> Passages { get; } = new(capacity: 200, perReport: 30);

    public int ClientCount => _server.Clients.Count;

    /// <summary>From this number on, the messages of the log can be read and forwarded.</summary>
    public long FirstKept => _kept.First;

    public ClientSheet Show(ClientView view) => view.Of(_server.Clients);

    /// <summary>Pings clients, for their latency. Does not wait for the answers.</summary>
    public void Ping(IEnumerable<long> ids)
    {
        foreach (WebSocketClient client in ids.Select(_server.Clients.Find).OfType<WebSocketClient>())
            _ = PingAsync(client);

        static async Task PingAsync(WebSocketClient client)
        {
            try
            {
                await client.PingAsync();
            }
            catch (Exception problem) when (problem is WebSocketException or TimeoutException)
            {
                // It has left, or does not answer: then its latency stays as it was.
            }
        }
    }

    public Second EndSecond() => Meter.EndSecond(ClientCount);

    /// <param name="address">What somebody typed, as is the port.</param>
    /// <param name="port">From 0 to 65535.</param>
    /// <param name="tls">How clients speak TLS; null for not at all.</param>
    /// <param name="origins">Web pages that may connect.</param>
    public async Task<string> OpenAsync(string address, string port, TlsChoice? tls, IEnumerable<string> origins)
    {
        IPEndPoint endPoint = ParseEndPoint(address, port);
        TlsOptions? options = tls?.ToOptions(endPoint.Address.ToString());
        await _turn.WaitAsync();
        try
        {
            if (_server.IsListening)
                throw new RefusedCommandException($"The server is open already, on {_state.Address}. Close it first.");
            _options.Urls = [$"{(options is null ? "http" : "https")}://{endPoint}"];
            _options.ListenDefaults.Tls = options;
            _options.AllowedOrigins.Clear();
            foreach (string origin in origins)
                _options.AllowedOrigins.Add(origin);
            await _server.StartAsync();
            _state = new EndpointState(EndpointStatus.Open, _server.EndPoints[0].ToString()!, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), options is null ? "ws" : "wss");
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
            return $"Closed. Clients that left cleanly: {result.ClosedCleanly}, that were cut: {result.Aborted}.";
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
        WebSocketClient client = Find(id);
        // Nobody waits for it: the client may take its time, and the log tells when it has left.
        _ = client.CloseAsync(WebSocketCloseStatus.NormalClosure, "disconnected by the server");
        return $"Client {id} is being disconnected.";
    }

    /// <param name="id">The receiver; null for all.</param>
    /// <param name="binary">Whether the data is bytes, written as hex, rather than text.</param>
    /// <param name="data">What somebody typed.</param>
    public string Send(long? id, bool binary, string data)
    {
        byte[] payload = binary ? ParseHex(data) : Encoding.UTF8.GetBytes(data);
        WebSocketMessageType type = binary ? WebSocketMessageType.Binary : WebSocketMessageType.Text;
        return $"Sent to {Deliver(payload, type, id, sender: null, origin: null)}";
    }

    /// <summary>Sends a message of the log again, as it was received.</summary>
    /// <param name="number">The message.</param>
    /// <param name="id">The receiver; null for all but the client that sent it.</param>
    public string Forward(long number, long? id)
    {
        KeptMessage message = FindMessage(number);
        return $"Forwarded to {Deliver(message.Payload, message.Type, id, message.Client, message.Sender)}";
    }

    /// <summary>As much of a message of the log as a page can read.</summary>
    public string Read(long number)
    {
        KeptMessage message = FindMessage(number);
        return MessageSample.Read(message.Type, message.Payload);
    }

    public string SetRelay(Relay relay)
    {
        if (relay.Mode == RelayMode.Path && !relay.Path.StartsWith('/'))
            throw new RefusedCommandException("A path begins with a slash: /alice.");
        if (relay.Path.Length > Relay.MaxPathLength)
            throw new RefusedCommandException($"A path to relay to has at most {Relay.MaxPathLength} characters.");
        _relay = relay;
        return "";
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _turn.Dispose();
    }

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

    private static string NameOf(WebSocketClient client) => $"#{client.Id} {Shortened.Path(client.Path)}";

    private WebSocketClient Find(long id) => _server.Clients.Find(id) ?? throw new RefusedCommandException($"Client {id} is not online.");

    private KeptMessage FindMessage(long number) => _kept.Find(number) ?? throw new RefusedCommandException(
        $"This message is not kept any more: only the latest {MessagesRemembered} of the log are, and {MaxBytesRemembered / 1024 / 1024} MiB of them at most.");

    // Sends what the page asks for. Gives the end of a sentence: to whom.
    private string Deliver(byte[] payload, WebSocketMessageType type, long? id, long? sender, string? origin)
    {
        if (_state.Status != EndpointStatus.Open)
            throw new RefusedCommandException("The server is closed. Open it first.");
        string told;
        int sent;
        if (id is null)
        {
            BroadcastResult result = _server.Clients.Where(client => client.Id != sender).Broadcast(payload, type);
            if (result == default)
                throw new RefusedCommandException(sender is null ? "No client is online." : "No other client is online.");
            sent = result.Accepted;
            told = $"{sent} {(sent == 1 ? "client" : "clients")}.";
            if (result.Dropped > 0)
                told += $" {result.Dropped} read too slowly and did not get it.";
            if (result.Closed > 0)
                told += $" {result.Closed} were leaving.";
        }
        else
        {
            WebSocketClient client = Find(id.Value);
            SendResult result = client.TrySend(payload, type);
            if (!result.IsAccepted)
                throw new RefusedCommandException(result == SendResult.Dropped ? $"Client {id} reads too slowly: too much waits for it already." : $"Client {id} is leaving.");
            sent = 1;
            told = $"client {id}.";
        }

        Meter.Sent(payload.Length, sent);
        Messages.Add((payload, type, sent, origin, _kept), static (message, number) =>
        {
            message._kept.Add(new KeptMessage(number, Client: null, "dashboard", message.type, message.payload));
            return MessageSample.Of(number, client: null, path: "", message.type, message.payload, message.sent, message.origin);
        });
        return told;
    }

    private void Receive(MessageReceivedEventArgs e)
    {
        long began = Stopwatch.GetTimestamp();
        Delivery? relayed = _relay.Deliver(_server.Clients, e);
        if (relayed is { } delivery)
            Meter.Relayed(delivery);
        // Logged after it was sent on, to tell to how many: an answer that comes at once may stand before it.
        Messages.Add((e, relayed, _kept), static (message, number) =>
        {
            message._kept.Add(new KeptMessage(number, message.e.Client.Id, NameOf(message.e.Client), message.e.MessageType, message.e.ToArray()));
            return MessageSample.Of(number, message.e.Client.Id, message.e.Client.Path, message.e.MessageType, message.e.Payload, message.relayed?.Result.Sent);
        });
        Meter.Received(e.Payload.Length, Stopwatch.GetElapsedTime(began));
    }

    private void Log(WebSocketClient client, PassageEnd? end) => Passages.Add((client, end), static (passage, number) => new Passage(
        number, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), passage.client.Id, Shortened.Path(passage.client.Path), passage.client.RemoteEndPoint.ToString()!, passage.end));
}
