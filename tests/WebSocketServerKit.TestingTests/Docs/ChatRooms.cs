using System.Net;

namespace WebSocketServerKit.Testing.Docs;

/// <summary>The host of the examples of docs/testing.md.</summary>
internal sealed class ChatRooms(WebSocketServer server)
{
    private readonly Dictionary<string, string> _topics = [];

    public string? TopicOf(string room)
    {
        lock (_topics)
            return _topics.GetValueOrDefault(room);
    }

    public void Serve()
    {
        server.Handshaking += (_, e) => NameCheck.OnHandshaking(e);
        server.ClientConnected += (_, e) => e.Client.Join(e.Client.Path);
        server.MessageReceived += async (_, e) =>
        {
            string text = e.Text;
            await Task.Yield();
            if (text.StartsWith("/topic ", StringComparison.Ordinal))
            {
                lock (_topics)
                    _topics[e.Client.Path["/rooms/".Length..]] = text["/topic ".Length..];
            }
            else
            {
                server.Clients.InGroup(e.Client.Path).Except(e.Client).Broadcast($"{e.Client.GetState<string>()}: {text}");
            }
        };
    }
}

internal static class NameCheck
{
    public static void OnHandshaking(HandshakingEventArgs e)
    {
        e.State = e.Request.Query["name"];
        if (e.State is null)
            e.Refuse(HttpStatusCode.BadRequest, "Say who you are.");
    }
}

internal static class CommandHandler
{
    public static async Task OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs e)
    {
        if (e.Text == "/time")
            await client.SendAsync("It is noon.");
    }
}
