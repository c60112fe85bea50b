namespace WebSocketServerKit;

/// <summary>How long a <see cref="WebSocketHandler"/> and its scoped services live.</summary>
public enum HandlerLifetime
{
    /// <summary>
    /// As long as the client is connected: one scope and one handler for each client. The handler may keep the client's state in its fields. Scoped services that hold something dear, such as a database
    /// connection, hold it as long as the client stays: get those from a factory when they are needed.
    /// </summary>
    Client,

    /// <summary>For one event: a scope and a handler for each call. For scoped services that are made for one unit of work, such as a <c>DbContext</c>. Costs more for each message.</summary>
    Event,
}
