namespace WebSocketServerKit;

/// <summary>One call of a handler: the event that it is for. A struct, since that of a message is one, so that a call allocates nothing.</summary>
internal readonly struct HandlerCall
{
    private readonly EventArgs? _event; // null for a message
    private readonly MessageReceivedEventArgs _message;

    public HandlerCall(ClientConnectedEventArgs connected) => _event = connected;

    public HandlerCall(ClientDisconnectedEventArgs disconnected) => _event = disconnected;

    public HandlerCall(MessageReceivedEventArgs message) => _message = message;

    public ValueTask Invoke(WebSocketHandler handler, WebSocketClient client) => _event switch
    {
        null => handler.OnMessageAsync(client, _message),
        ClientConnectedEventArgs connected => handler.OnConnectedAsync(client, connected),
        _ => handler.OnDisconnectedAsync(client, (ClientDisconnectedEventArgs)_event),
    };
}
