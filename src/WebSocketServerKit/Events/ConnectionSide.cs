namespace WebSocketServerKit;

/// <summary>One of the two ends of a connection.</summary>
public enum ConnectionSide
{
    /// <summary>The remote end: a browser, a device, another program; also the network between.</summary>
    Client,

    /// <summary>This end: the host application or the server itself.</summary>
    Server,
}
