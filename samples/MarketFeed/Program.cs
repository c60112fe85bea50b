using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using WebSocketServerKit;

Option<string> url = new("--url") { Description = "Where to listen: http://*:8083 for every address", DefaultValueFactory = _ => "http://127.0.0.1:8083" };
Option<int> symbols = new("--symbols") { Description = "Number of symbols", DefaultValueFactory = _ => 40 };
Option<int> updates = new("--updates") { Description = "New prices per second, of all symbols together", DefaultValueFactory = _ => 1_000 };
RootCommand command = new("A market feed: fast clients get every price, slow ones the newest of each symbol. The page shows one of each.") { url, symbols, updates };
command.SetAction(async (arguments, _) =>
{
    try
    {
        WebSocketServerOptions options = new() { SendQueueLimit = 64 * 1024 };
        await using WebSocketServer server = new(options.Listen(arguments.GetValue(url)!));
        Market market = new(server.Path("/prices", new PathOptions { SendBufferSize = 16 * 1024 }), arguments.GetValue(symbols));
        SlowClient slow = new(server.Path("/slow-client"));
        ServePage(server);
        await RunUntilSignalAsync(server, market, slow, arguments.GetValue(updates));
        return 0;
    }
    catch (Exception problem) when (problem is IOException or ArgumentException)
    {
        Console.Error.WriteLine(problem.Message);
        return 1;
    }
});
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

static async Task RunUntilSignalAsync(WebSocketServer server, Market market, SlowClient slow, int updates)
{
    TaskCompletionSource stop = new();
    using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
    using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
    await server.StartAsync();
    Console.WriteLine($"Market feed: http://{server.EndPoints[0]}");
    Console.WriteLine("Open the address in a browser. Press Ctrl+C to stop.");

    using CancellationTokenSource ending = new();
    Task trading = Task.WhenAll(market.TradeAsync(updates, ending.Token), slow.RunAsync(server.EndPoints[0], ending.Token));
    await stop.Task;
    await ending.CancelAsync();
    await trading;
    await server.StopAsync();

    void OnSignal(PosixSignalContext signal)
    {
        signal.Cancel = true;
        stop.TrySetResult();
    }
}

static void ServePage(WebSocketServer server)
{
    using Stream resource = typeof(Program).Assembly.GetManifestResourceStream("page.html")!;
    byte[] page = new byte[resource.Length];
    resource.ReadExactly(page);
    server.HttpRequestReceived += (_, e) =>
    {
        if (e.Request is { Method: "GET" or "HEAD", Path: "/" })
            e.Respond(HttpStatusCode.OK, page, "text/html; charset=utf-8");
    };
}

/// <summary>Prices that change at random. A client gets the price of each symbol when it comes, and every new one; while it is slow, the newest of each symbol.</summary>
internal sealed class Market
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new(); // a client that comes must not get an old price behind a new one
    private readonly ClientSelection _clients;
    private readonly Price[] _prices;
    private long _last;

    public Market(WebSocketPath path, int symbols)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(symbols, 1);
        _clients = path.Clients;
        _prices = [.. Enumerable.Range(0, symbols).Select(number => new Price(NameOf(number), 100, 0))];
        path.ClientConnected += (_, e) => SendAll(e.Client);
    }

    public async Task TradeAsync(int updatesPerSecond, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(Tick);
        double due = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                for (due += updatesPerSecond * Tick.TotalSeconds; due >= 1; due--)
                    Trade(Random.Shared.Next(_prices.Length));
            }
        }
        catch (OperationCanceledException)
        {
            // The market closes.
        }
    }

    private void Trade(int number)
    {
        lock (_gate)
        {
            Price old = _prices[number];
            Price price = _prices[number] = old with { Value = Math.Round(old.Value * (0.99 + 0.02 * Random.Shared.NextDouble()), 2), Number = ++_last };
            // The symbol is the key: a price that still waits for a slow client is replaced by the new one.
            _clients.BroadcastLatest(price.Symbol, JsonSerializer.SerializeToUtf8Bytes(price, Json.Default.Price), WebSocketMessageType.Text);
        }
    }

    private void SendAll(WebSocketClient client)
    {
        lock (_gate)
        {
            foreach (Price price in _prices)
                client.TrySendLatest(price.Symbol, JsonSerializer.SerializeToUtf8Bytes(price, Json.Default.Price), WebSocketMessageType.Text);
        }
    }

    private static string NameOf(int number) => $"{(char)('A' + number / 26 % 26)}{(char)('A' + number % 26)}{number / 676}";
}

/// <summary>A client of the feed that reads as slowly as the page asks for, and shows the page what it has got.</summary>
internal sealed class SlowClient
{
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(200);

    private readonly ClientSelection _pages;
    private readonly Dictionary<string, Price> _news = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private int _bytesPerSecond = 2_000;

    public SlowClient(WebSocketPath path)
    {
        _pages = path.Clients;
        path.ClientConnected += (_, e) => e.Client.TrySendJson(new Speed(_bytesPerSecond), Json.Default.Speed);
        path.MessageReceived += (_, e) => SetSpeed(e.ReadJson(Json.Default.Speed));
    }

    public async Task RunAsync(EndPoint feed, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(ReadAlwaysAsync(feed, cancellationToken), ReportAsync(cancellationToken));
        }
        catch (OperationCanceledException)
        {
            // The market closes.
        }
    }

    private void SetSpeed(Speed speed)
    {
        _bytesPerSecond = Math.Clamp(speed.BytesPerSecond, 0, 1_000_000);
        _pages.BroadcastJson(new Speed(_bytesPerSecond), Json.Default.Speed);
    }

    // The feed disconnects a client that has taken nothing for 40 s. It connects again, and gets the newest price of each symbol.
    private async Task ReadAlwaysAsync(EndPoint feed, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await ReadAsync(feed, cancellationToken);
            }
            catch (WebSocketException)
            {
                // The connection is lost, or refused.
            }

            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken); // a feed that always closes is not asked without a pause
        }
    }

    private async Task ReadAsync(EndPoint feed, CancellationToken cancellationToken)
    {
        using HttpMessageInvoker connections = new(new SocketsHttpHandler { ConnectCallback = (_, token) => ConnectAsync(feed, token) });
        using ClientWebSocket socket = new();
        await socket.ConnectAsync(new Uri($"ws://{feed}/prices"), connections, cancellationToken);
        byte[] buffer = new byte[4 * 1024];
        double credit = 0;
        while (true)
        {
            ValueWebSocketReceiveResult read = await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken);
            if (read.MessageType == WebSocketMessageType.Close)
                return;
            Price price = JsonSerializer.Deserialize(buffer.AsSpan(0, read.Count), Json.Default.Price)!;
            lock (_gate)
                _news[price.Symbol] = price;
            for (credit -= read.Count; credit < 0; credit += Volatile.Read(ref _bytesPerSecond) * 0.1)
                await Task.Delay(100, cancellationToken);
        }
    }

    // The system's buffer for received bytes would hide for long that the client is slow.
    private static async ValueTask<Stream> ConnectAsync(EndPoint feed, CancellationToken cancellationToken)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4 * 1024 };
        await socket.ConnectAsync(feed, cancellationToken);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private async Task ReportAsync(CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(ReportInterval);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            Price[] news;
            lock (_gate)
            {
                news = [.. _news.Values];
                _news.Clear();
            }

            _pages.BroadcastJson(news, Json.Default.PriceArray);
        }
    }
}

/// <summary>The price of a symbol.</summary>
/// <param name="Symbol">The symbol.</param>
/// <param name="Value">The price.</param>
/// <param name="Number">Counts the prices of all symbols.</param>
internal sealed record Price(string Symbol, double Value, long Number);

/// <summary>How fast the slow client reads.</summary>
internal sealed record Speed(int BytesPerSecond);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Price[]))]
[JsonSerializable(typeof(Speed))]
internal sealed partial class Json : JsonSerializerContext;
