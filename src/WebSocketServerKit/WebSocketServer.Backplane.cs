namespace WebSocketServerKit;

// Several servers that act as one.
public sealed partial class WebSocketServer
{
    private IBackplane? _backplane;

    /// <summary>
    /// Connects the server with others, from its next start on: what is sent to a <see cref="ClientSelection"/> goes to the clients of all servers, and so do its <c>CloseAsync</c>, <c>Abort</c>, <c>Join</c>
    /// and <c>Leave</c>. What is counted and enumerated, and the events, are those of this server.
    /// </summary>
    /// <param name="backplane">What connects them: an <see cref="InProcessBackplane"/>, or that of a package such as WebSocketServerKit.Redis. The server does not dispose of it.</param>
    /// <exception cref="InvalidOperationException">The server is started, or has a backplane.</exception>
    public void UseBackplane(IBackplane backplane)
    {
        ArgumentNullException.ThrowIfNull(backplane);
        lock (_gate)
        {
            if (_run is not null)
                throw new InvalidOperationException("The server is started already. Call UseBackplane before StartAsync.");
            if (_backplane is not null)
                throw new InvalidOperationException("The server has a backplane already.");
            _backplane = backplane;
        }
    }
}
