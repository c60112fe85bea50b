namespace WebSocketServerKit;

/// <summary>How a server waits for the sockets of its clients. All events, limits and promises are the same with each.</summary>
public enum WebSocketTransport
{
    /// <summary>
    /// <see cref="Sockets"/>, unless the runtime configuration of the program says otherwise: with <c>"WebSocketServerKit.Transport": "EventLoop"</c> among its <c>configProperties</c>, it is
    /// <see cref="EventLoop"/> on Linux.
    /// </summary>
    Auto,

    /// <summary>The sockets of .NET: whatever a client sends is received and handled on the thread pool. Works on every system.</summary>
    Sockets,

    /// <summary>
    /// Event loops of the server's own, on Linux only: a few threads (<see cref="WebSocketServerOptions.EventLoops"/>) wait for all sockets, and receive, call handlers and answer right there. A message
    /// costs less processor time, small ones to many clients the most. A handler that blocks its thread holds up the other clients of its loop for 12 to 16 ms. Then another thread goes on with them, and
    /// what the blocking client sends is handled on the thread pool for a second.
    /// </summary>
    EventLoop,
}
