using System.Collections.Frozen;
using System.CommandLine;
using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using WebSocketServerKit;

Option<string> url = new("--url") { Description = "Where to listen: http://*:8081 for every address", DefaultValueFactory = _ => "http://127.0.0.1:8081" };
Option<string[]> rooms = new("--rooms") { Description = "The rooms", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["lobby", "random", "help"] };
RootCommand command = new("A chat with rooms, names, presence and history. Open the address in two browser windows.") { url, rooms };
command.SetAction(async (arguments, _) =>
{
    try
    {
        WebSocketServerOptions options = new()
        {
            MaxMessageSize = 4 * 1024,
            MaxMessagesPerSecond = 20,
            SlowClients = SlowClientPolicy.Disconnect, // a page that does not read connects again, and gets the history
        };
        await using WebSocketServer server = new(options.Listen(arguments.GetValue(url)!));
        new Chat(server, arguments.GetValue(rooms)!).Serve();
        await RunUntilSignalAsync(server);
        return 0;
    }
    catch (Exception problem) when (problem is IOException or ArgumentException)
    {
        Console.Error.WriteLine(problem.Message);
        return 1;
    }
});
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

static async Task RunUntilSignalAsync(WebSocketServer server)
{
    TaskCompletionSource stop = new();
    using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
    using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
    await server.StartAsync();
    Console.WriteLine($"Chat: http://{server.EndPoints[0]}");
    Console.WriteLine("Open the address in a browser. Press Ctrl+C to stop.");
    await stop.Task;
    await server.StopAsync(CloseCode.ServiceRestart, "the chat restarts");

    void OnSignal(PosixSignalContext signal)
    {
        signal.Cancel = true;
        stop.TrySetResult();
    }
}

/// <summary>Names and rooms. A client comes with its name in the query (<c>/chat?name=Ann</c>), enters rooms, and talks in them.</summary>
internal sealed class Chat
{
    private const int MaxNameLength = 32;
    private const int MaxTextLength = 1_000;

    private readonly WebSocketServer _server;
    private readonly FrozenDictionary<string, Room> _rooms;
    private readonly ToClient _roomNames;
    private readonly byte[] _page = ReadPage();

    public Chat(WebSocketServer server, IReadOnlyCollection<string> rooms)
    {
        _server = server;
        _rooms = rooms.Distinct(StringComparer.Ordinal).ToFrozenDictionary(name => name, name => new Room(name, server.Clients), StringComparer.Ordinal);
        _roomNames = new ToClient { Rooms = [.. rooms] };
    }

    public void Serve()
    {
        _server.HttpRequestReceived += SendPage;
        WebSocketPath path = _server.Path("/chat");
        path.Handshaking += CheckName;
        path.ClientConnected += (_, e) => e.Client.TrySendJson(_roomNames, Json.Default.ToClient);
        path.MessageReceived += (_, e) => Take(e);
        path.ClientDisconnected += (_, e) => LeaveAll(e);
    }

    private void CheckName(object? sender, HandshakingEventArgs e)
    {
        string name = (e.Request.Query["name"] ?? "").Trim();
        if (name.Length is 0 or > MaxNameLength || name.Any(char.IsControl))
            e.Refuse(HttpStatusCode.BadRequest, $"Say who you are: /chat?name=..., with 1 to {MaxNameLength} characters.\n");
        e.State = name;
    }

    private void Take(MessageReceivedEventArgs e)
    {
        FromClient message = e.ReadJson(Json.Default.FromClient); // what is no JSON closes the client with 1007
        if (message.Room is null || !_rooms.TryGetValue(message.Room, out Room? room))
            return;

        string name = e.Client.GetState<string>();
        if (message.Enter == true)
            room.Enter(e.Client);
        else if (message.Enter == false)
            room.Leave(e.Client);
        else if (message.Text?.Trim() is { Length: > 0 and <= MaxTextLength } text)
            room.Say(e.Client, name, text);
    }

    private void LeaveAll(ClientDisconnectedEventArgs e)
    {
        foreach (string room in e.Groups)
            _rooms[room].TellWhoIsThere();
    }

    private void SendPage(object? sender, HttpRequestReceivedEventArgs e)
    {
        if (e.Request is { Method: "GET" or "HEAD", Path: "/" })
            e.Respond(HttpStatusCode.OK, _page, "text/html; charset=utf-8");
    }

    private static byte[] ReadPage()
    {
        using Stream resource = typeof(Chat).Assembly.GetManifestResourceStream("page.html")!;
        byte[] page = new byte[resource.Length];
        resource.ReadExactly(page);
        return page;
    }
}

/// <summary>A room is a group of clients with a history. The lock keeps both in step: who enters misses no message and sees none twice.</summary>
internal sealed class Room(string name, ClientRegistry clients)
{
    private const int HistoryLength = 50;

    private readonly Lock _gate = new();
    private readonly Queue<PreparedMessage> _history = new();
    private readonly ClientSelection _present = clients.InGroup(name);

    public void Enter(WebSocketClient client)
    {
        lock (_gate)
        {
            if (!client.Join(name))
                return;
            foreach (PreparedMessage message in _history)
                client.TrySend(message);
            TellWhoIsThere();
        }
    }

    public void Leave(WebSocketClient client)
    {
        if (client.Leave(name))
            TellWhoIsThere();
    }

    public void Say(WebSocketClient client, string who, string text)
    {
        PreparedMessage message = PreparedMessage.FromJson(new ToClient { Room = name, From = who, Text = text, At = DateTimeOffset.UtcNow }, Json.Default.ToClient);
        lock (_gate)
        {
            if (!client.IsIn(name))
                return;
            _history.Enqueue(message);
            if (_history.Count > HistoryLength)
                _history.Dequeue();
            _present.Broadcast(message);
        }
    }

    public void TellWhoIsThere()
    {
        lock (_gate)
            _present.BroadcastJson(new ToClient { Room = name, Present = [.. _present.Select(client => client.GetState<string>()).Order(StringComparer.CurrentCulture)] }, Json.Default.ToClient);
    }
}

/// <summary>What a client sends: to enter or leave a room, or a text.</summary>
internal sealed record FromClient(string? Room, bool? Enter, string? Text);

/// <summary>What a client gets: the rooms, who is in a room, or what somebody has said there.</summary>
internal sealed record ToClient
{
    public string[]? Rooms { get; init; }

    public string? Room { get; init; }

    public string[]? Present { get; init; }

    public string? From { get; init; }

    public string? Text { get; init; }

    public DateTimeOffset? At { get; init; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FromClient))]
[JsonSerializable(typeof(ToClient))]
internal sealed partial class Json : JsonSerializerContext;
