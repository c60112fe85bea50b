namespace WebSocketServerKit.Docs;

/// <summary>The C# of docs/groups.md and docs/slow-clients.md, so that it compiles.</summary>
internal static class SendingGuides
{
    public static void Lobby(WebSocketServer server)
    {
        server.ClientConnected += (_, e) => e.Client.Join("lobby");
        server.MessageReceived += (_, e) => server.Clients.InGroup("lobby").Except(e.Client).Broadcast(e.Payload, e.MessageType);
    }

    public static object Membership(WebSocketServer server, WebSocketClient client)
    {
        bool joined = client.Join("room 7");        // false: it was in it, or it has left
        bool left = client.Leave("room 7");
        bool isIn = client.IsIn("room 7");
        IReadOnlyList<string> rooms = client.Groups;         // a snapshot
        IReadOnlyList<string> all = server.Clients.Groups;   // the groups that have a member
        return (joined, left, isIn, rooms.Count, all.Count);
    }

    public static void Farewell(WebSocketServer server)
    {
        server.ClientDisconnected += (_, e) => server.Clients.InAnyGroup([.. e.Groups]).Broadcast($"{e.Client.UserId} has left");
    }

    public static bool Tags(WebSocketServer server, WebSocketClient client)
    {
        client.AddTag("lang:de");
        client.RemoveTag("lang:en");
        server.Clients.InGroup("lobby").WithTag("lang:de").Broadcast("Guten Tag");
        bool isAdmin = client.HasTag("admin");
        return isAdmin;
    }

    public static async Task UsersAsync(WebSocketServer server)
    {
        server.Clients.WithUser("ada").Broadcast("You have mail.");
        await server.Clients.WithUser("ada").CloseAsync(4001, "signed out");
    }

    public static async Task<SlowClientPolicy> PoliciesAsync()
    {
        WebSocketServerOptions options = new()
        {
            Urls = ["http://127.0.0.1:8080"],
            SendQueueLimit = 256 * 1024,
            SlowClients = SlowClientPolicy.DropOldest,
        };
        await using WebSocketServer server = new(options);
        server.Handshaking += (_, e) =>
        {
            if (e.Request.Path == "/audit")
                e.Options.SlowClients = SlowClientPolicy.Wait;
        };
        return options.SlowClients;
    }

    public static void Latest(WebSocketServer server)
    {
        string quote = """{"pair":"EURUSD","bid":1.0841}""";
        server.Clients.BroadcastLatest("EURUSD", quote);

        server.ClientConnected += (_, e) => e.Client.TrySendLatest("EURUSD", quote);
    }

    public static void GiveUp(WebSocketServer server)
    {
        server.OnSlow(async (client, e) =>
        {
            if (!e.IsSlow)
                return; // it has caught up
            await Task.Delay(TimeSpan.FromSeconds(30), client.ConnectionClosed);
            if (client.IsSlow)
                await client.CloseAsync(1008, "reads too slowly");
        });
    }

    public static void Buffers(WebSocketServer server)
    {
        server.Handshaking += (_, e) => e.Options.SendBufferSize = 16 * 1024;
    }
}
