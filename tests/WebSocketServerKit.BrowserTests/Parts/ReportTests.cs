using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Dashboard.Control;
using Dashboard.Served;

namespace WebSocketServerKit.BrowserTests.Parts;

/// <summary>What pages are told, and how much that is.</summary>
public sealed class ReportTests : IAsyncLifetime
{
    // Four times a second. The browser parses it while it draws.
    private const int LargestReport = 100_000;

    private readonly ControlServer _dashboard = new(new IPEndPoint(IPAddress.Loopback, 0));
    private readonly List<WebSocket> _sockets = [];
    private readonly byte[] _buffer = new byte[4 * 1024 * 1024];
    private ClientWebSocket _page = null!;
    private string _served = "";
    private int _size; // of the latest message to the page

    private static CancellationToken Timely => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    public async ValueTask InitializeAsync()
    {
        await _dashboard.StartAsync();
        _page = await ConnectAsync($"ws://{_dashboard.EndPoint}/control");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (WebSocket socket in _sockets)
            socket.Dispose();
        await _dashboard.DisposeAsync();
    }

    [Fact]
    public async Task However_long_paths_agents_and_messages_are_a_report_stays_below_100_kB()
    {
        await OpenAsync();
        List<ClientWebSocket> crowd = await ConnectCrowdAsync(ClientView.SheetSize + 10, path: new string('p', 3500), agent: new string('x', 3500));
        // Control characters are the longest ones in JSON.
        using CancellationTokenSource enough = new();
        Task flood = FloodAsync(crowd[0], enough.Token);

        int largest = 0, listed = 0, messages = 0;
        while (listed < ClientView.SheetSize || messages < 30)
        {
            JsonElement report = await ReadReportAsync();
            largest = Math.Max(largest, _size);
            listed += report.GetProperty("clients").GetProperty("rows").GetArrayLength();
            messages = Math.Max(messages, report.GetProperty("messages").GetArrayLength());
        }

        await enough.CancelAsync();
        await flood;
        Assert.InRange(largest, 1, LargestReport);
    }

    [Fact]
    public async Task A_client_is_told_of_once_and_its_counters_when_they_change()
    {
        await OpenAsync();
        ClientWebSocket client = (await ConnectCrowdAsync(1, path: "alice", agent: "tests"))[0];
        JsonElement clients = (await ReadReportAsync(report => report.GetProperty("clients").GetProperty("rows").GetArrayLength() > 0)).GetProperty("clients");
        Assert.Equal(1, clients.GetProperty("rows")[0].GetProperty("id").GetInt64());
        Assert.Equal(0, clients.GetProperty("counters")[0].GetProperty("messagesIn").GetInt64());

        await client.SendAsync(new byte[5].AsMemory(), WebSocketMessageType.Binary, endOfMessage: true, Timely);
        clients = (await ReadReportAsync(report => report.GetProperty("totals").GetProperty("messagesIn").GetInt64() == 1)).GetProperty("clients");
        Assert.Equal(0, clients.GetProperty("rows").GetArrayLength());
        Assert.Equal(5, clients.GetProperty("counters")[0].GetProperty("bytesIn").GetInt64());

        // Nothing more happens to it.
        clients = (await ReadReportAsync(report => report.GetProperty("clients").GetProperty("counters").GetArrayLength() == 0)).GetProperty("clients");
        Assert.Equal((1, 0), (clients.GetProperty("ids").GetArrayLength(), clients.GetProperty("rows").GetArrayLength()));
    }

    [Fact]
    public async Task A_page_that_comes_later_is_told_of_all_clients_that_it_shows()
    {
        await OpenAsync();
        await ConnectCrowdAsync(3, path: "alice", agent: "tests");
        await ReadReportAsync(report => report.GetProperty("clientCount").GetInt32() == 3);
        _page = await ConnectAsync($"ws://{_dashboard.EndPoint}/control");
        JsonElement report = await ReadReportAsync();
        Assert.Equal("whole", report.GetProperty("type").GetString());
        Assert.Equal(3, report.GetProperty("clients").GetProperty("rows").GetArrayLength());
    }

    [Fact]
    public async Task Each_page_is_told_of_the_sheet_that_it_shows_and_of_clients_that_it_watches()
    {
        await OpenAsync();
        List<ClientWebSocket> crowd = await ConnectCrowdAsync(ClientView.SheetSize + 10, path: "a", agent: "tests");
        await ReadReportAsync(report => report.GetProperty("clientCount").GetInt32() == crowd.Count);
        await TellAsync("""{"command":"view","id":2,"view":{"number":5,"sheet":1,"filter":"","watched":[3,4]}}""");
        JsonElement clients = (await ReadReportAsync(IsView(5))).GetProperty("clients");
        Assert.Equal(Enumerable.Range(ClientView.SheetSize + 1, 10).Select(id => (long)id), Ids(clients, "ids"));
        Assert.Equal(10, clients.GetProperty("rows").GetArrayLength());
        Assert.Equal([3, 4], Ids(clients, "online"));

        crowd[2].Abort();
        clients = (await ReadReportAsync(report => Ids(report.GetProperty("clients"), "online").Count() == 1)).GetProperty("clients");
        Assert.Equal([4], Ids(clients, "online"));

        await TellAsync("""{"command":"view","id":3,"view":{"number":6,"sheet":99,"filter":"#17","watched":[]}}""");
        clients = (await ReadReportAsync(IsView(6))).GetProperty("clients");
        Assert.Equal([17], Ids(clients, "ids"));
        Assert.Equal((0, 1), (clients.GetProperty("sheet").GetInt32(), clients.GetProperty("matching").GetInt32()));
    }

    [Theory]
    [InlineData("""{"command":"send","id":9,"client":null,"binary":false,"data":"x"}""", "The server is closed. Open it first.")]
    [InlineData("""{"command":"forward","id":9,"message":1,"client":null}""", "This message is not kept any more: only the latest 300 of the log are, and 16 MiB of them at most.")]
    [InlineData("""{"command":"read","id":9,"message":1}""", "This message is not kept any more: only the latest 300 of the log are, and 16 MiB of them at most.")]
    [InlineData("""{"command":"view","id":9,"view":{"number":1,"sheet":-1,"filter":"","watched":[]}}""", "A filter has at most 200 characters; sheets count from 0; at most 8 clients are watched.")]
    [InlineData("""{"command":"view","id":9,"view":{"number":1,"sheet":0,"filter":"","watched":[1,2,3,4,5,6,7,8,9]}}""", "A filter has at most 200 characters; sheets count from 0; at most 8 clients are watched.")]
    public async Task What_cannot_be_done_is_refused_with_the_reason(string command, string reason)
    {
        JsonElement reply = await AskAsync(command);
        Assert.Equal((9, false, reason), (reply.GetProperty("id").GetInt32(), reply.GetProperty("ok").GetBoolean(), reply.GetProperty("text").GetString()));
    }

    [Fact]
    public async Task A_path_to_relay_to_is_no_longer_than_a_report_should_be()
    {
        JsonElement reply = await AskAsync($$$"""{"command":"relay","id":9,"relay":{"mode":"path","path":"/{{{new string('p', 1000)}}}"}}""");
        Assert.Equal("A path to relay to has at most 1000 characters.", reply.GetProperty("text").GetString());
    }

    private static async Task FloodAsync(ClientWebSocket client, CancellationToken enough)
    {
        await Task.Yield();
        byte[] payload = new byte[10_000];
        while (!enough.IsCancellationRequested)
            await client.SendAsync(payload.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
    }

    private static Func<JsonElement, bool> IsView(long number) => report => report.GetProperty("clients").GetProperty("view").GetInt64() == number;

    private static IEnumerable<long> Ids(JsonElement clients, string property) => clients.GetProperty(property).EnumerateArray().Select(id => id.GetInt64());

    private async Task OpenAsync()
    {
        JsonElement reply = await AskAsync("""{"command":"open","id":1,"address":"127.0.0.1","port":"0","anyOrigin":false}""");
        _served = $"ws://{reply.GetProperty("text").GetString()![8..^1]}";
    }

    // One after the other, so that their numbers are those of their places.
    private async Task<List<ClientWebSocket>> ConnectCrowdAsync(int count, string path, string agent)
    {
        List<ClientWebSocket> crowd = [];
        for (int i = 1; i <= count; i++)
            crowd.Add(await ConnectAsync(string.Create(CultureInfo.InvariantCulture, $"{_served}/{path}/{i}"), agent));
        return crowd;
    }

    private async Task<ClientWebSocket> ConnectAsync(string url, string agent = "tests")
    {
        ClientWebSocket socket = new();
        _sockets.Add(socket);
        socket.Options.SetRequestHeader("User-Agent", agent);
        await socket.ConnectAsync(new Uri(url), Timely);
        return socket;
    }

    private ValueTask TellAsync(string command) =>
        _page.SendAsync(Encoding.UTF8.GetBytes(command).AsMemory(), WebSocketMessageType.Text, endOfMessage: true, Timely);

    private async Task<JsonElement> AskAsync(string command)
    {
        await TellAsync(command);
        JsonElement message;
        do
            message = await ReadAsync();
        while (message.GetProperty("type").GetString() != "reply");
        return message;
    }

    private async Task<JsonElement> ReadReportAsync(Func<JsonElement, bool>? isWanted = null)
    {
        JsonElement message;
        do
            message = await ReadAsync();
        while (message.GetProperty("type").GetString() == "reply" || isWanted?.Invoke(message) == false);
        return message;
    }

    private async Task<JsonElement> ReadAsync()
    {
        CancellationToken timely = Timely;
        ValueWebSocketReceiveResult result;
        _size = 0;
        do
        {
            result = await _page.ReceiveAsync(_buffer.AsMemory(_size), timely);
            _size += result.Count;
        }
        while (!result.EndOfMessage);
        return JsonElement.Parse(_buffer.AsSpan(0, _size));
    }
}
