using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>A value goes to all clients: as a string of JSON, as JSON that is written directly, and prepared before.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Connections in memory have nothing to give back.")]
public partial class BroadcastKinds
{
    private static readonly byte[] Request =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8.ToArray();

    private readonly Price _price = new("EURUSD", 1.08123m, 1.08125m, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc));
    private readonly WebSocketServer _server = new(new WebSocketServerOptions());
    private string _text = "";
    private PreparedMessage _prepared = PreparedMessage.FromText("");

    [Params(1, 10, 100)]
    public int Clients { get; set; }

    /// <summary>The server, with this many clients in memory.</summary>
    internal static async Task<MemoryTransport[]> ConnectAsync(WebSocketServer server, int clients)
    {
        ServerRun run = new(server, new WebSocketServerOptions(), new ServerLog(NullLogger.Instance));
        MemoryTransport[] transports = [.. Enumerable.Range(0, clients).Select(_ => new MemoryTransport())];
        foreach (MemoryTransport transport in transports)
            _ = new ClientSession(server, run, transport, expectsProxyHeader: false).RunAsync();
        // Once they wait for the request, everything happens within Receive.
        await Task.Delay(100);
        foreach (MemoryTransport transport in transports)
            transport.Receive(Request);
        return server.Clients.Count == clients ? transports : throw new InvalidOperationException("Not all are connected.");
    }

    [GlobalSetup]
    public async Task Setup()
    {
        await ConnectAsync(_server, Clients);
        _text = JsonSerializer.Serialize(_price, PriceJson.Default.Price);
        _prepared = PreparedMessage.FromJson(_price, PriceJson.Default.Price);
    }

    /// <summary>The string was made before.</summary>
    [Benchmark]
    public BroadcastResult Text() => _server.Clients.Broadcast(_text);

    [Benchmark]
    public BroadcastResult Prepared() => _server.Clients.Broadcast(_prepared);

    [Benchmark(Baseline = true)]
    public BroadcastResult StringOfJson() => _server.Clients.Broadcast(JsonSerializer.Serialize(_price, PriceJson.Default.Price));

    [Benchmark]
    public BroadcastResult Json() => _server.Clients.BroadcastJson(_price, PriceJson.Default.Price);

    internal sealed record Price(string Name, decimal Bid, decimal Ask, DateTime At);

    [JsonSerializable(typeof(Price))]
    internal sealed partial class PriceJson : JsonSerializerContext;
}
