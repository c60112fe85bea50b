using System.Collections.Frozen;
using System.CommandLine;
using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using StackExchange.Redis;
using WebSocketServerKit;

Option<string> url = new("--url") { Description = "Where to listen: http://*:8081 for every address", DefaultValueFactory = _ => "http://127.0.0.1:8081" };
Option<string[]> rooms = new("--rooms") { Description = "The rooms", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["lobby", "random", "help"] };
Option<string?> redis = new("--redis") { Description = "Keep what is said in this Redis, for all servers that use it: localhost:6379. A page that was away gets what it has missed" };
RootCommand command = new("A chat with rooms, names, presence and history. Open the address in two browser windows.") { url, rooms, redis };
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
        await using ConnectionMultiplexer? connection = arguments.GetValue(redis) is { } address ? await ConnectionMultiplexer.ConnectAsync(address) : null;
        await using RedisHistory? history = connection is null ? null : SharedRoom.HistoryIn(connection);
        await using WebSocketServer server = new(options.Listen(arguments.GetValue(url)!));
        new Chat(server, arguments.GetValue(rooms)!, name => history is null ? new LocalRoom(name, server.Clients) : new SharedRoom(name, server.Clients, history)).Serve();
        await RunUntilSignalAsync(server);
        return 0;
    }
    catch (Exception problem) when (problem is IOException or ArgumentException or RedisException)
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

    public Chat(WebSocketServer server, IReadOnlyCollection<string> rooms, Func<string, Room> makeRoom)
    {
        _server = server;
        _rooms = rooms.Distinct(StringComparer.Ordinal).ToFrozenDictionary(name => name, makeRoom, StringComparer.Ordinal);
        _roomNames = new ToClient { Rooms = [.. rooms] };
    }

    public void Serve()
    {
        _server.HttpRequestReceived += SendPage;
        WebSocketPath path = _server.Path("/chat");
        path.Handshaking += CheckName;
        path.ClientConnected += (_, e) => e.Client.TrySendJson(_roomNames, Json.Default.ToClient);
        path.OnMessage((client, e) => TakeAsync(client, e));
        path.ClientDisconnected += (_, e) => LeaveAll(e);
    }

    private void CheckName(object? sender, HandshakingEventArgs e)
    {
        string name = (e.Request.Query["name"] ?? "").Trim();
        if (name.Length is 0 or > MaxNameLength || name.Any(char.IsControl))
            e.Refuse(HttpStatusCode.BadRequest, $"Say who you are: /chat?name=..., with 1 to {MaxNameLength} characters.\n");
        e.State = name;
    }

    private async ValueTask TakeAsync(WebSocketClient client, MessageReceivedEventArgs e)
    {
        FromClient message = e.ReadJson(Json.Default.FromClient); // what is no JSON closes the client with 1007
        if (message.Room is null || !_rooms.TryGetValue(message.Room, out Room? room))
            return;

        if (message.Enter == true)
            await room.EnterAsync(client, message.After);
        else if (message.Enter == false)
            room.Leave(client);
        else if (message.Text?.Trim() is { Length: > 0 and <= MaxTextLength } text)
            await room.SayAsync(client, text);
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

/// <summary>A room is a group of clients, and has a history.</summary>
internal abstract class Room(string name, ClientRegistry clients)
{
    protected const int HistoryLength = 50;

    private readonly Lock _telling = new();

    protected string Name => name;

    protected ClientSelection Present { get; } = clients.InGroup(name);

    public abstract Task EnterAsync(WebSocketClient client, string? after);

    public virtual void Leave(WebSocketClient client)
    {
        if (client.Leave(name))
            TellWhoIsThere();
    }

    public abstract Task SayAsync(WebSocketClient client, string text);

    public void TellWhoIsThere()
    {
        lock (_telling) // the newest list comes last
            Present.BroadcastJson(new ToClient { Room = name, Present = [.. Present.Select(client => client.GetState<string>()).Order(StringComparer.CurrentCulture)] }, Json.Default.ToClient);
    }
}

/// <summary>A room of this server alone. The lock keeps group and history in step: who enters misses no message and sees none twice.</summary>
internal sealed class LocalRoom(string name, ClientRegistry clients) : Room(name, clients)
{
    private readonly Lock _gate = new();
    private readonly Queue<PreparedMessage> _history = new();

    public override Task EnterAsync(WebSocketClient client, string? after)
    {
        lock (_gate)
        {
            if (!client.Join(Name))
                return Task.CompletedTask;
            foreach (PreparedMessage message in _history)
                client.TrySend(message);
            TellWhoIsThere();
        }

        return Task.CompletedTask;
    }

    public override Task SayAsync(WebSocketClient client, string text)
    {
        PreparedMessage message = PreparedMessage.FromJson(new ToClient { Room = Name, From = client.GetState<string>(), Text = text, At = DateTimeOffset.UtcNow }, Json.Default.ToClient);
        lock (_gate)
        {
            if (!client.IsIn(Name))
                return Task.CompletedTask;
            _history.Enqueue(message);
            if (_history.Count > HistoryLength)
                _history.Dequeue();
            Present.Broadcast(message);
        }

        return Task.CompletedTask;
    }
}

/// <summary>A room of all servers that use the same Redis. A client that comes back with its last offset gets what it has missed. Who is present is told of this server alone.</summary>
internal sealed class SharedRoom(string name, ClientRegistry clients, RedisHistory history) : Room(name, clients)
{
    public static RedisHistory HistoryIn(IConnectionMultiplexer redis)
    {
        RedisHistory history = new(redis, "chat", new RedisHistoryOptions { Format = ToClient });
        history.Gap += (_, e) => e.Client.TrySendJson(new ToClient { Room = e.Stream, Note = "messages are missing here" }, Json.Default.ToClient);
        return history;
    }

    public override async Task EnterAsync(WebSocketClient client, string? after)
    {
        if (!client.Join(Name))
            return;
        TellWhoIsThere();
        HistoryOffset? from = HistoryOffset.TryParse(after, out HistoryOffset offset) ? offset : null;
        await history.ResumeAsync(client, Name, from, last: HistoryLength); // without Redis it throws, which closes the client: it comes again
    }

    public override void Leave(WebSocketClient client)
    {
        history.Leave(client, Name);
        base.Leave(client);
    }

    public override async Task SayAsync(WebSocketClient client, string text)
    {
        if (!client.IsIn(Name))
            return;
        ToClient said = new() { Room = Name, From = client.GetState<string>(), Text = text };
        try
        {
            await history.PublishAsync(Name, JsonSerializer.SerializeToUtf8Bytes(said, Json.Default.ToClient));
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            client.TrySendJson(new ToClient { Room = Name, Note = $"perhaps not said: {text}" }, Json.Default.ToClient);
        }
    }

    private static PreparedMessage ToClient(HistoryMessage message)
    {
        ToClient said = JsonSerializer.Deserialize(message.Payload.Span, Json.Default.ToClient)!;
        return PreparedMessage.FromJson(said with { At = message.Time, Offset = message.Offset.ToString() }, Json.Default.ToClient);
    }
}

/// <summary>What a client sends: to enter a room, perhaps with the offset of the last message that it has, or to leave it; or a text.</summary>
internal sealed record FromClient(string? Room, bool? Enter, string? After, string? Text);

/// <summary>What a client gets: the rooms, who is in a room, or what somebody has said there. Or that it has missed something, or that its text could not be stored.</summary>
internal sealed record ToClient
{
    public string[]? Rooms { get; init; }

    public string? Room { get; init; }

    public string[]? Present { get; init; }

    public string? From { get; init; }

    public string? Text { get; init; }

    public DateTimeOffset? At { get; init; }

    public string? Offset { get; init; }

    public string? Note { get; init; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FromClient))]
[JsonSerializable(typeof(ToClient))]
internal sealed partial class Json : JsonSerializerContext;
