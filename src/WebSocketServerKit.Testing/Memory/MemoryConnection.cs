using WebSocketServerKit.Connections;
using WebSocketServerKit.Transport.Pipes;

namespace WebSocketServerKit.Testing.Memory;

/// <summary>A connection in memory that a server serves: two directions, and what the server has made of it. Thread-safe.</summary>
internal sealed class MemoryConnection
{
    private readonly ByteChannel _toServer;
    private readonly ByteChannel _toClient;
    private WebSocketClient? _serverSide;

    /// <summary>Connects to the server, and sends nothing.</summary>
    /// <exception cref="InvalidOperationException">The server is not started, or is stopping.</exception>
    public MemoryConnection(WebSocketServer server, TestClientOptions options, bool isRead)
    {
        _toServer = new ByteChannel(options.BufferSize);
        _toClient = new ByteChannel(options.BufferSize);
        IsRead = isRead;
        ClientEnd = new MemoryStreamEnd(_toClient, _toServer);
        MemoryStreamEnd serverEnd = new(_toServer, _toClient);
        Served = server.AcceptAsync(serverEnd, new AcceptOptions
        {
            RemoteEndPoint = options.RemoteEndPoint,
            LocalEndPoint = options.LocalEndPoint,
            User = options.User,
            Source = options.Source,
            IsSecure = options.IsSecure,
            IsStreamTrusted = true,
            Abort = () => serverEnd.Cut("The server has cut the connection."),
            Opened = client => Volatile.Write(ref _serverSide, client),
        });
        ServerConnections.Of(server).Add(this);
    }

    /// <summary>The client's end.</summary>
    public MemoryStreamEnd ClientEnd { get; }

    /// <summary>Completes when the server has ended the connection, and the handlers of ClientDisconnected have ended. Never fails.</summary>
    public Task Served { get; }

    /// <summary>The server's client; null until its handshake is accepted.</summary>
    public WebSocketClient? ServerSide => Volatile.Read(ref _serverSide);

    /// <summary>Whether somebody reads the client's end all the time.</summary>
    public bool IsRead { get; set; }

    public bool IsPaused => _toClient.IsPaused;

    /// <summary>Bytes that the client has not read.</summary>
    public int UnreadByClient => _toClient.Unread;

    /// <summary>Bytes that the server has not read.</summary>
    public int UnreadByServer => _toServer.Unread;

    /// <summary>Grows with whatever is sent or received.</summary>
    public long Activity => _toServer.Activity + _toClient.Activity;

    public void Pause() => _toClient.Pause();

    public void Resume() => _toClient.Resume();

    /// <summary>Why the connection is not at rest; null if both sides wait for each other.</summary>
    /// <param name="waitsForHandlers">Whether a handler that awaits something counts as work.</param>
    public string? WhyBusy(bool waitsForHandlers)
    {
        if (Served.IsCompleted)
            return null;
        ConnectionLifetime? lifetime = ServerSide?.Lifetime;
        bool isHandling = lifetime?.Handlers.IsRunning ?? false;
        if (isHandling && (waitsForHandlers || lifetime!.Handlers.IsEntered))
            return "a handler of the client runs";
        if (lifetime is { IsHoldingBack: true })
            return waitsForHandlers ? "the server does not read, because the client exceeds a rate limit or memory is short" : null;
        // While handlers run, the server reads ahead at its next look. What it reads then counts as a sign of life, once it is read.
        if (isHandling && lifetime!.Transport is DirectConnection { IsReadingPast: true } && !_toServer.IsReadEmpty)
            return "the server reads what the client has sent";
        if (!isHandling && !(_toServer.IsReadEmpty && lifetime is null or { Receive.IsWaiting: true }))
            return UnreadByServer > 0 ? $"the server has {UnreadByServer} bytes to read" : "the server works for the client";
        if (!IsRead || IsPaused)
            return null;
        if (lifetime is { Queue.BufferedBytes: > 0 and var unsent })
            return $"the server has {unsent} bytes to send";
        return _toClient.IsReadEmpty ? null : "the client has not read everything";
    }
}
