using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Backplanes;

namespace WebSocketServerKit;

// Several servers that act as one.
public sealed partial class WebSocketServer
{
    // The lock guards them.
    private IBackplane? _backplane;
    private Task? _starting; // while it connects to the backplane
    private CancellationTokenSource? _startStopping;

    /// <summary>Tells the server from all others of its backplane: letters and digits, made with this object, so another one when the program is started again. Part of <see cref="WebSocketClient.GlobalId"/>.</summary>
    public string NodeId => Clients.NodeId;

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
            if (_run is not null || _starting is not null)
                throw new InvalidOperationException("The server is started already. Call UseBackplane before StartAsync.");
            if (_backplane is not null)
                throw new InvalidOperationException("The server has a backplane already, and takes one only. Call UseBackplane once.");
            _backplane = backplane;
        }
    }

    private async Task StartConnectedAsync(IBackplane backplane, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _startStopping = stopping; // under the lock
        ServerNode? node = null;
        try
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding); // leave the lock
            node = await ServerNode.ConnectAsync(backplane, Clients, _log, _options.TimeProvider, stopping.Token).ConfigureAwait(false);
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                stopping.Token.ThrowIfCancellationRequested();
                _run = new ServerRun(this, _options, _log);
                (_starting, _startStopping) = (null, null);
            }
        }
        catch
        {
            if (node is not null)
                await node.DisposeAsync().ConfigureAwait(false);
            lock (_gate)
            {
                (_starting, _startStopping) = (null, null);
                ObjectDisposedException.ThrowIf(_disposed, this);
            }

            throw;
        }
    }

    private async Task EndStartAsync(Task starting)
    {
        // Not Cancel: what awaits the start would go on inside the lock.
        lock (_gate)
            _ = _startStopping?.CancelAsync().Observed();
        await starting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
