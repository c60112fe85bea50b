namespace WebSocketServerKit;

/// <summary>What became of a message on its way to the other servers of a <see cref="IBackplane"/>.</summary>
public enum ForwardResult
{
    /// <summary>It did not have to go anywhere: there is no backplane, or no other server has clients that it may be for.</summary>
    Unneeded,

    /// <summary>The backplane has taken it. Servers whose connection is lost do not get it; <c>BroadcastAsync</c> tells what the others did.</summary>
    Accepted,

    /// <summary>The other servers do not get it: the connection of this server to the backplane is lost, or too much waits to be sent to it.</summary>
    Dropped,
}
