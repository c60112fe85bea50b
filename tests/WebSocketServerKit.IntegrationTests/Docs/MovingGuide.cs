namespace WebSocketServerKit.Docs;

/// <summary>The programs of docs/moving.md that use this library, as they stand there.</summary>
internal static class MovingGuide
{
    public static async Task FromFleckAsync()
    {
        await using WebSocketServer server = new("ws://*:8181");
        server.MessageReceived += (_, e) => server.Clients.Broadcast(e);
        await server.StartAsync();
        Console.ReadLine();
    }

    public static async Task FromWebSocketSharpAsync()
    {
        await using WebSocketServer server = new("ws://*:4649");
        WebSocketPath chat = server.Path("/chat");
        chat.OnConnected((client, _) => client.SendAsync($"You are {client.Id}."));
        chat.MessageReceived += (_, e) => chat.Clients.Broadcast(e);
        chat.ClientDisconnected += (_, e) => Console.WriteLine($"{e.Client.Id} left: {e.CloseCode} {e.CloseReason}");
        await server.StartAsync();
        Console.ReadLine();
    }

    public static async Task FromSuperSocketAsync()
    {
        await using WebSocketServer server = new("ws://*:4040");
        server.OnMessage(async (client, message) => await client.SendAsync(message));
        await server.StartAsync();
        Console.ReadLine();
    }

    public static async Task FromKestrelAsync()
    {
        await using WebSocketServer server = new("http://localhost:8080");
        server.Path("/ws").OnMessage(async (client, message) => await client.SendAsync(message));
        await server.StartAsync();
        Console.ReadLine();
    }
}
