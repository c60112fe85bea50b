using Microsoft.Extensions.Logging;
using WebSocketServerKit;

namespace WebSocketService._1;

/// <summary>Talks with one client, and lives as long as it.</summary>
internal sealed partial class ChatHandler(WebSocketServer server, Visitors visitors, ILogger<ChatHandler> logger) : WebSocketHandler
{
    private int _messages;

    public override ValueTask OnConnectedAsync(WebSocketClient client, ClientConnectedEventArgs e) => client.SendAsync($"Welcome, visitor {visitors.Add()}.");

    public override ValueTask OnMessageAsync(WebSocketClient client, MessageReceivedEventArgs message)
    {
        _messages++;
        server.Clients.Broadcast(message);
        return default;
    }

    public override ValueTask OnDisconnectedAsync(WebSocketClient client, ClientDisconnectedEventArgs e)
    {
        Left(_messages, e.CloseCode);
        return default;
    }

    [LoggerMessage(1, LogLevel.Information, "Left after {Messages} messages: {Code}")]
    private partial void Left(int messages, CloseCode code);
}
