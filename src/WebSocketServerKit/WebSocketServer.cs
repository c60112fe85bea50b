using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Options;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Transport.Pipes;

namespace WebSocketServerKit;

/// <summary>
/// A WebSocket server (RFC 6455) that listens on TCP or Unix domain sockets of its own. Subscribe to the events, start it, and send to the clients in <see cref="Clients"/>.
/// </summary>
/// <remarks>
/// <para>
/// For each client, in this order: <see cref="Handshaking"/>; the client is added to <see cref="Clients"/>; <see cref="ClientConnected"/>; <see cref="MessageReceived"/>, one at a time, in the
/// order in which the messages were sent; the client is removed from <see cref="Clients"/>; <see cref="ClientDisconnected"/>, exactly once. Events of different clients are concurrent.
/// </para>
/// <para>
/// Handlers run on the thread pool (with <see cref="WebSocketTransport.EventLoop"/> on the server's own threads), or in <see cref="WebSocketServerOptions.EventContext"/>. Async lambdas are safe: the client's
/// next event waits until they have ended. Their exceptions are logged, handled as <see cref="WebSocketServerOptions.HandlerExceptions"/> says, and reach neither other clients nor other handlers nor the process.
/// Functions that return a task are safe with <see cref="OnMessage(Func{WebSocketClient, MessageReceivedEventArgs, ValueTask})"/> and its like; as handlers of an event they would not be awaited.
/// </para>
/// <para>All members are thread-safe.</para>
/// </remarks>
public sealed partial class WebSocketServer : IAsyncDisposable, IDisposable
{
    private readonly WebSocketServerOptions _options;
    private readonly ServerLog _log;
    private readonly Lock _gate = new();
    private ServerRun? _run;               // from start to the end of stop
    private Task<StopResult>? _stopping;   // while it stops
    private bool _disposed;
    private long _lastClientId;

    /// <summary>Creates a server that listens on one end point, with the default options.</summary>
    /// <param name="endPoint">Where to listen: <c>IPEndPoint.Parse("127.0.0.1:8080")</c>. Port 0 lets the system choose.</param>
    /// <param name="loggerFactory">Creates the logger; null for no log.</param>
    /// <exception cref="ArgumentException">It is an end point on which the server cannot listen.</exception>
    public WebSocketServer(EndPoint endPoint, ILoggerFactory? loggerFactory = null)
        : this(new WebSocketServerOptions().Listen(endPoint), loggerFactory)
    {
    }

    /// <summary>Creates a server that listens on one URL, with the default options.</summary>
    /// <param name="url">Where to listen: <c>http://localhost:8080</c>. <see cref="WebSocketServerOptions.Urls"/> has all spellings.</param>
    /// <param name="loggerFactory">Creates the logger; null for no log.</param>
    /// <exception cref="ArgumentException">The URL cannot be listened on; the message tells the right spelling.</exception>
    public WebSocketServer(string url, ILoggerFactory? loggerFactory = null)
        : this(new WebSocketServerOptions().Listen(url), loggerFactory)
    {
    }

    /// <summary>Creates a server with options.</summary>
    /// <param name="options">Read at each start; later changes have no effect until the next one. The name and the meter factory are read here alone.</param>
    /// <param name="loggerFactory">Creates the logger; null for no log.</param>
    /// <exception cref="ArgumentException">An option has an invalid value; the message names it.</exception>
    public WebSocketServer(WebSocketServerOptions options, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        Clients = new ClientRegistry(options);
        Name = options.Name;
        Metrics = new ServerMetrics(this, options.MeterFactory, Name);
        _log = new ServerLog((loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<WebSocketServer>());
    }

    /// <summary>A client asks to connect, and its request is valid. Handlers accept it by doing nothing, or refuse it. If one throws, the client gets 500.</summary>
    public event EventHandler<HandshakingEventArgs>? Handshaking;

    /// <summary>
    /// A plain HTTP request was received. A handler may answer it; if none does, the response is 426 (upgrade required), or 405 if the method is neither GET nor HEAD. If a handler throws, it is 500.
    /// </summary>
    public event EventHandler<HttpRequestReceivedEventArgs>? HttpRequestReceived;

    /// <summary>A client has connected. Its messages wait until the handlers have ended, async ones included.</summary>
    public event EventHandler<ClientConnectedEventArgs>? ClientConnected;

    /// <summary>
    /// A client has sent a message. Its next message waits until the handlers have ended, async ones included: a handler that awaits the next message has to call
    /// <see cref="MessageReceivedEventArgs.ContinueReceiving"/> first.
    /// </summary>
    public event EventHandler<MessageReceivedEventArgs>? MessageReceived;

    /// <summary>A client has left. Raised exactly once for each client for which <see cref="ClientConnected"/> was raised.</summary>
    public event EventHandler<ClientDisconnectedEventArgs>? ClientDisconnected;

    /// <summary>The clients that are connected.</summary>
    public ClientRegistry Clients { get; }

    /// <summary>The end points that the server listens on, with the actual ports: first those of <see cref="WebSocketServerOptions.Listen(EndPoint, ListenOptions?)"/> and its like, then those of <see cref="WebSocketServerOptions.Urls"/>, then those that were added while it runs. <c>localhost</c> makes two with one port. Empty while the server is stopped.</summary>
    public IReadOnlyList<EndPoint> EndPoints => Volatile.Read(ref _run)?.EndPoints ?? [];

    /// <summary>Bytes of memory that the server holds for its clients, approximately: see <see cref="WebSocketServerOptions.MaxBufferedBytes"/>. 0 while the server is stopped.</summary>
    public long BufferedBytes => Volatile.Read(ref _run)?.Budget.Used ?? 0;

    /// <summary>Whether the server listens. One without a place to listen serves only what <see cref="AcceptAsync(Stream, AcceptOptions?, CancellationToken)"/> is given.</summary>
    public bool IsListening => EndPoints.Count > 0;

    /// <summary>Tells the server from others in metrics and traces: <see cref="WebSocketServerOptions.Name"/> when it was made. Null for none.</summary>
    public string? Name { get; }

    /// <summary>How often the server looks at its deadlines.</summary>
    internal TimeSpan HeartbeatInterval => _options.HeartbeatInterval;

    internal bool HasHandshakingHandlers => Handshaking is not null;

    internal bool HasHttpRequestHandlers => HttpRequestReceived is not null;

    /// <summary>Starts to listen on all end points. When the task has completed, clients can connect. A stopped server can be started again.</summary>
    /// <exception cref="IOException">An end point cannot be listened on (the port is taken, the address is not this machine's), or a certificate cannot be used. The message tells what to do. None is listened on then.</exception>
    /// <exception cref="ArgumentException">An option has an invalid value; the message names it.</exception>
    /// <exception cref="InvalidOperationException">The server is started already, or is still stopping.</exception>
    /// <exception cref="ObjectDisposedException">The server is disposed of.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, or the server was stopped while it connected to its backplane.</exception>
    /// <remarks>With a backplane (<see cref="UseBackplane"/>) the server connects to it first. What that throws comes out.</remarks>
    /// <param name="cancellationToken">Cancelled before the call, or while the server connects to its backplane, nothing is started.</param>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled(cancellationToken);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_run is not null || _starting is not null)
                throw new InvalidOperationException(
                    _stopping is null ? "The server is started already. Stop it first." : "The server is still stopping. Await StopAsync first.");

            _options.Validate();
            if (_backplane is not null)
                return _starting = WithoutAsyncLocals(() => StartConnectedAsync(_backplane, cancellationToken));
            _run = WithoutAsyncLocals(() => new ServerRun(this, _options, _log));
        }

        return Task.CompletedTask;
    }

    /// <summary>Listens on one more address, until the server stops. When it is started again, it listens where its options say.</summary>
    /// <param name="url">The address, as in <see cref="WebSocketServerOptions.Urls"/>.</param>
    /// <param name="options">TLS and other options of this place; null for <see cref="WebSocketServerOptions.ListenDefaults"/>.</param>
    /// <returns>The end points that were added, with the actual ports.</returns>
    /// <exception cref="ArgumentException">The text is not an address to listen on, or the options do not fit it; the message tells the right form.</exception>
    /// <exception cref="IOException">The address cannot be listened on, or the certificate cannot be used; the message tells what to do.</exception>
    /// <exception cref="InvalidOperationException">The server is not started, or is stopping.</exception>
    /// <exception cref="ObjectDisposedException">The server is disposed of.</exception>
    public IReadOnlyList<EndPoint> Listen(string url, ListenOptions? options = null) =>
        ListenAddress.TryParse(url, out ListenAddress? address, out string? problem)
            ? Listen(new ListenPlace(address, null, options))
            : throw new ArgumentException(problem, nameof(url));

    /// <inheritdoc cref="Listen(string, ListenOptions?)" path="/*[not(self::param)]"/>
    /// <param name="endPoint">An <see cref="IPEndPoint"/> or a <see cref="System.Net.Sockets.UnixDomainSocketEndPoint"/>.</param>
    /// <param name="options">TLS and other options of this place; null for <see cref="WebSocketServerOptions.ListenDefaults"/>.</param>
    public IReadOnlyList<EndPoint> Listen(EndPoint endPoint, ListenOptions? options = null) => Listen(WebSocketServerOptions.PlaceOf(endPoint, options));

    /// <inheritdoc cref="Listen(string, ListenOptions?)" path="/*[not(self::param)]"/>
    /// <param name="socket">A stream socket that is bound to an address. If the call throws, the socket is still the caller's; otherwise the server closes it.</param>
    /// <param name="options">TLS and other options of this place; null for <see cref="WebSocketServerOptions.ListenDefaults"/>.</param>
    public IReadOnlyList<EndPoint> Listen(Socket socket, ListenOptions? options = null) => Listen(WebSocketServerOptions.PlaceOf(socket, options));

    /// <summary>Stops listening on one end point. Clients that came there stay connected.</summary>
    /// <param name="endPoint">One of <see cref="EndPoints"/>.</param>
    /// <returns>False if the server does not listen there.</returns>
    public bool StopListening(EndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        lock (_gate)
            return _run is { IsClosing: false } run && run.StopListening(endPoint);
    }

    /// <summary>Stops listening on an address, as it was written in <see cref="WebSocketServerOptions.Urls"/> or <c>Listen</c>: on all end points that it stands for. Clients that came there stay connected.</summary>
    /// <param name="url">The same text.</param>
    /// <returns>False if the server does not listen on an address of that text.</returns>
    public bool StopListening(string url)
    {
        ArgumentNullException.ThrowIfNull(url);
        lock (_gate)
            return _run is { IsClosing: false } run && run.StopListening(url);
    }

    /// <summary>
    /// Serves a connection that was made elsewhere, as if a client had connected to one of <see cref="EndPoints"/>: TLS, a named pipe, a tunnel, two streams in memory. The first bytes that are
    /// read are the client's request for the opening handshake. All limits, timeouts and events apply; clients over the limit get 503.
    /// </summary>
    /// <remarks>
    /// <para>
    /// From the call on the server owns the stream, and has disposed of it when the task completes. If the call itself throws, the stream is still the caller's. Do not await the task in a
    /// handler of the same client: it waits for that handler.
    /// </para>
    /// <para>
    /// The stream is read and written at the same time, as that of a network, by its asynchronous methods, and has to allow reads of zero bytes; where such a read waits, as that of a
    /// <see cref="System.Net.Sockets.NetworkStream"/> or an <see cref="System.Net.Security.SslStream"/> does, a silent client holds no buffer. A method that blocks keeps one thread, and nobody
    /// else waits for it. To cut the connection, the server cancels the token that reads and writes get, and disposes of the stream.
    /// </para>
    /// <para>
    /// After the closing handshake, a <see cref="System.Net.Sockets.NetworkStream"/> and an <see cref="System.Net.Security.SslStream"/> are shut down for sending, and the client ends the
    /// connection; any other stream is disposed of. How far a client has read is not known: its progress is what the stream has taken.
    /// </para>
    /// </remarks>
    /// <param name="stream">Readable and writable, with the client at its other end.</param>
    /// <param name="options">The addresses of the connection and what else is known of it; null for nothing.</param>
    /// <param name="cancellationToken">Cancelled, it cuts the connection.</param>
    /// <returns>
    /// Completes when the connection has ended, however that came about, the stream is disposed of, and the handlers of <see cref="ClientDisconnected"/> have ended. Cancelled if the token is what
    /// ended it. It does not fail.
    /// </returns>
    /// <exception cref="ArgumentException">The stream cannot be read and written.</exception>
    /// <exception cref="InvalidOperationException">The server is not started, or is stopping.</exception>
    /// <exception cref="ObjectDisposedException">The server is disposed of.</exception>
    public Task AcceptAsync(Stream stream, AcceptOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead || !stream.CanWrite)
        {
            throw new ArgumentException(
                "The stream has to be open, readable and writable. Authenticate an SslStream first, and join two streams of one direction each in an IDuplexPipe.", nameof(stream));
        }

        return ServeAsync(new StreamCarrier(stream, options?.Abort), options, cancellationToken);
    }

    /// <summary>Serves a connection that was made elsewhere, like <see cref="AcceptAsync(Stream, AcceptOptions?, CancellationToken)"/>.</summary>
    /// <remarks>
    /// From the call on the server owns the pipe, and has completed both of its ends when the task completes; after a cut, with an <see cref="IOException"/>. If the call itself throws, the pipe is
    /// still the caller's. After the closing handshake the output is completed, and the client ends the connection. To cut it, the server cancels the token that reads and flushes get, and
    /// waits for them: a pipe must not be completed while it is in use.
    /// </remarks>
    /// <param name="transport">What the client sends is its <see cref="IDuplexPipe.Input"/>, what the client is sent its <see cref="IDuplexPipe.Output"/>.</param>
    /// <param name="options">The addresses of the connection and what else is known of it; null for nothing.</param>
    /// <param name="cancellationToken">Cancelled, it cuts the connection.</param>
    /// <returns>
    /// Completes when the connection has ended, however that came about, the pipe is completed, and the handlers of <see cref="ClientDisconnected"/> have ended. Cancelled if the token is what
    /// ended it. It does not fail.
    /// </returns>
    /// <exception cref="ArgumentException">One end of the pipe is null.</exception>
    /// <exception cref="InvalidOperationException">The server is not started, or is stopping.</exception>
    /// <exception cref="ObjectDisposedException">The server is disposed of.</exception>
    public Task AcceptAsync(IDuplexPipe transport, AcceptOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transport);
        if (transport is not { Input: { } input, Output: { } output })
            throw new ArgumentException("The pipe has no Input or no Output. It needs both.", nameof(transport));
        return ServeAsync(new DuplexPipeCarrier(input, output), options, cancellationToken);
    }

    /// <summary>
    /// Stops the server: accepts no new clients (handshakes under way get 503), sends every client a Close frame with 1001, and waits up to <see cref="WebSocketServerOptions.StopTimeout"/> for
    /// clients to leave and handlers to end. Then the remaining connections are reset. Does nothing when the server is not started; a second call waits for the same stop.
    /// </summary>
    /// <remarks>
    /// <para>Do not await it in a handler: it waits for that handler, until the timeout.</para>
    /// <para>
    /// With an <see cref="WebSocketServerOptions.EventContext"/>, await it on that context's thread; do not block that thread. If it is blocked all the same, the stop ends about a second after
    /// the clients have left, and the pending events are raised when the thread is free again: none is lost. But an async handler that has begun, and needs the thread to
    /// continue, keeps its client until the timeout.
    /// </para>
    /// </remarks>
    /// <param name="cancellationToken">Cancelled, the remaining connections are reset at once. The tokens of further calls do the same.</param>
    /// <returns>How many clients left cleanly, how many were reset, and how many have events that have not ended; also when it was cancelled.</returns>
    public Task<StopResult> StopAsync(CancellationToken cancellationToken = default) =>
        StopCoreAsync(StopPlan.Default, cancellationToken);

    /// <summary>Stops like <see cref="StopAsync(CancellationToken)"/>, with this code and reason in the Close frames.</summary>
    /// <param name="code">As in <see cref="WebSocketClient.CloseAsync(CloseCode, string, CancellationToken)"/>: 1012 tells that the server restarts.</param>
    /// <param name="reason">At most 123 bytes of UTF-8.</param>
    /// <param name="cancellationToken">Cancelled, the remaining connections are reset at once. The tokens of further calls do the same.</param>
    /// <returns>How many clients left cleanly, how many were reset, and how many have events that have not ended.</returns>
    /// <remarks>If the server is being stopped already, the code and the reason of the first call are sent.</remarks>
    /// <exception cref="ArgumentException">The code must not be sent, or the reason is too long.</exception>
    public Task<StopResult> StopAsync(CloseCode code, string reason = "", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reason);
        CloseFrame.Check(code, reason);
        return StopCoreAsync(new StopPlan(code, reason), cancellationToken);
    }

    /// <summary>
    /// Resets all connections and does not wait: <see cref="ClientDisconnected"/> is raised soon after. The end points are free when it returns. Afterwards the
    /// server cannot be started again. It may be called from any thread, repeatedly, and during <see cref="DisposeAsync"/>. Prefer <see cref="DisposeAsync"/>.
    /// </summary>
    public void Dispose()
    {
        ServerRun? run;
        lock (_gate)
        {
            _disposed = true;
            _ = _startStopping?.CancelAsync().Observed(); // not Cancel: callbacks of the backplane would run inside the lock
            run = _run;
            if (run is null)
            {
                End();
                return;
            }

            run.CutNow();
            _ = Begin(run, StopPlan.Default);
        }

        run.StopListening();
    }

    /// <summary>Stops like <see cref="StopAsync(CancellationToken)"/>, or waits for the stop that is under way. Afterwards the server cannot be started again. Do not await it in a handler.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
            _disposed = true;
        await StopAsync().ConfigureAwait(false);
        End();
    }

    // It is disposed of, and has stopped.
    private void End()
    {
        Clients.EndFeeds();
        Metrics.Dispose();
    }

    // The server's loops must not carry the AsyncLocals of whoever happened to call.
    private static T WithoutAsyncLocals<T>(Func<T> start)
    {
        if (ExecutionContext.IsFlowSuppressed())
            return start();
        using (ExecutionContext.SuppressFlow())
            return start();
    }

    private IReadOnlyList<EndPoint> Listen(ListenPlace place)
    {
        lock (_gate)
        {
            ServerRun run = RunningOrThrow();
            if (place.Check(_options.ListenDefaults) is { } problem)
                throw new ArgumentException(problem);
            return WithoutAsyncLocals(() => run.Listen(place));
        }
    }

    // Under the lock.
    private ServerRun RunningOrThrow(bool evenWhenNotReady = false)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ServerRun run = _run ?? throw new InvalidOperationException("The server is not started. Await StartAsync first; it needs no place to listen for this.");
        return _stopping is null || (evenWhenNotReady && !run.IsClosing) ? run : throw ServerRun.Stopping();
    }

    private Task ServeAsync(ICarrier carrier, AcceptOptions? options, CancellationToken cancellationToken)
    {
        ServerRun run;
        lock (_gate)
            run = RunningOrThrow(evenWhenNotReady: true);

        return WithoutAsyncLocals(() => run.ServeAsync(carrier, options, cancellationToken));
    }

    internal long NextClientId() => Interlocked.Increment(ref _lastClientId);

    private async Task<StopResult> StopCoreAsync(StopPlan plan, CancellationToken cancellationToken)
    {
        ServerRun run;
        Task<StopResult> stopping;
        if (Volatile.Read(ref _starting) is { } starting)
            await EndStartAsync(starting).ConfigureAwait(false);
        lock (_gate)
        {
            if (_run is null)
                return new StopResult();
            run = _run;
            stopping = Begin(run, plan);
        }

        using CancellationTokenRegistration cut = cancellationToken.UnsafeRegister(static run => ((ServerRun)run!).CutNow(), run);
        return await stopping.ConfigureAwait(false);
    }

    internal void RaiseHandshaking(HandshakingEventArgs e, ConnectionLifetime connection) => Raise(this, Handshaking, e, connection);

    internal void RaiseHttpRequestReceived(HttpRequestReceivedEventArgs e, ConnectionLifetime connection) => Raise(this, HttpRequestReceived, e, connection);

    internal void RaiseClientConnected(ClientConnectedEventArgs e, ConnectionLifetime connection) => Raise(this, ClientConnected, e, connection);

    internal void RaiseMessageReceived(MessageReceivedEventArgs e, ConnectionLifetime connection) => Raise(this, MessageReceived, e, connection);

    internal void RaiseClientDisconnected(ClientDisconnectedEventArgs e, ConnectionLifetime connection) => Raise(this, ClientDisconnected, e, connection);

    // An exception of one subscriber does not keep the event from the others.
    private static void Raise<TEventArgs>(object sender, EventHandler<TEventArgs>? handlers, TEventArgs e, IHandlers connection)
    {
        if (handlers is { HasSingleTarget: true })
        {
            Call(sender, handlers, e, connection);
            return;
        }

        // The scope of this event. The connection may have another one by now, if a handler has called ContinueReceiving.
        SynchronizationContext? scope = SynchronizationContext.Current;
        foreach (EventHandler<TEventArgs> handler in Delegate.EnumerateInvocationList(handlers))
        {
            Call(sender, handler, e, connection);
            // If a handler has set another context, the next handler would not be followed, and its exception would end the process.
            SynchronizationContext.SetSynchronizationContext(scope);
        }
    }

    private static void Call<TEventArgs>(object sender, EventHandler<TEventArgs> handler, TEventArgs e, IHandlers connection)
    {
        try
        {
            handler(sender, e);
        }
        catch (Exception exception)
        {
            connection.HandlerFailed(exception);
        }
    }

    // Under the lock. The first plan counts.
    private Task<StopResult> Begin(ServerRun run, StopPlan plan)
    {
        if (_stopping is null)
        {
            run.BeginStop(plan);
            Volatile.Write(ref _stopping, EndAsync(run));
        }

        return _stopping;
    }

    private async Task<StopResult> EndAsync(ServerRun run)
    {
        // Leave the caller's thread and its lock.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        StopResult result = await run.StopAsync().ConfigureAwait(false);
        if (Clients.Node is { } node)
            await node.DisposeAsync().ConfigureAwait(false);
        lock (_gate)
        {
            _run = null;
            _stopping = null;
            if (_disposed)
                End();
        }

        return result;
    }
}
