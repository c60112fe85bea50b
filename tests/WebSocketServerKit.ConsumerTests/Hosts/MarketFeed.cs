using System.Buffers;
using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using WebSocketServerKit;

namespace Consumers.Hosts;

internal readonly record struct Quote(string Symbol, decimal Price);

/// <summary>Sends each quote to whoever has subscribed to its symbol, by sending <c>EURUSD</c>. Whoever reads too slowly misses quotes, and is told goodbye after too many.</summary>
internal sealed class MarketFeed : IAsyncDisposable
{
    private const int MaxMissed = 1_000;

    private readonly WebSocketServer _server = new(new WebSocketServerOptions
    {
        Urls = ["http://localhost:0"],
        SendQueueLimit = 256 * 1024,
        PerMessageDeflate = new PerMessageDeflateOptions { MinMessageSize = 1024 },
    });

    private sealed class Subscriber
    {
        public string? Symbol { get; set; }

        public int Missed { get; set; }
    }

    public EndPoint EndPoint => _server.EndPoints[0];

    public async Task StartAsync()
    {
        _server.Handshaking += (_, e) => e.State = new Subscriber();
        _server.MessageReceived += (_, e) =>
        {
            Subscriber subscriber = e.Client.GetState<Subscriber>();
            if (subscriber.Symbol is { } before)
                e.Client.Leave(before);
            subscriber.Symbol = e.Text;
            e.Client.Join(e.Text);
        };
        await _server.StartAsync();
    }

    /// <summary>To all who want this symbol, encoded once.</summary>
    public BroadcastResult Publish(Quote quote)
    {
        ArrayBufferWriter<byte> json = new();
        using (Utf8JsonWriter writer = new(json))
            JsonSerializer.Serialize(writer, quote);
        return _server.Clients.InGroup(quote.Symbol).Broadcast(json.WrittenMemory, WebSocketMessageType.Text);
    }

    /// <summary>To each who wants it, one by one, so that each one's misses can be counted.</summary>
    public void PublishCounting(Quote quote)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(quote);
        foreach (WebSocketClient client in _server.Clients)
        {
            Subscriber subscriber = client.GetState<Subscriber>();
            if (subscriber.Symbol != quote.Symbol)
                continue;
            switch (client.TrySend(json, WebSocketMessageType.Text))
            {
                case SendResult.Dropped when ++subscriber.Missed > MaxMissed:
                    _ = client.CloseAsync(CloseCode.PolicyViolation, "too slow");
                    break;
                case SendResult.Sent or SendResult.Queued:
                    subscriber.Missed = 0;
                    break;
            }
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
