using System.Net.WebSockets;
using System.Text;
using System.Threading.Channels;
using WebSocketServerKit.Testing.Memory;

namespace WebSocketServerKit.Testing;

/// <summary>
/// A client for the tests of a host: it is connected to a <see cref="WebSocketServer"/> in memory, without a socket. Everything of the server runs, from the opening handshake to the closing one: its
/// limits, its handlers, its close codes, its compression.
/// </summary>
/// <remarks>
/// <para>
/// It behaves as a browser does: it reads all the time and keeps what it receives for the test, answers pings, and answers the server's Close frame. <see cref="PauseReading"/> ends that until
/// <see cref="ResumeReading"/>, for a client that is slow or silent.
/// </para>
/// <para>
/// Each wait ends with a <see cref="TimeoutException"/> after <see cref="Timeout"/>, in real time, and with an <see cref="OperationCanceledException"/> with <see cref="TestClientOptions.CancellationToken"/>.
/// After its disposal, what sends, receives or waits for the end throws an <see cref="ObjectDisposedException"/>. All members are thread-safe. Sends of
/// several threads come one after the other, and each message goes to one of those who wait for it.
/// </para>
/// <para>
/// Disposing of a client that is still connected drops its connection, as a program does that is killed: the server sees 1006. Use <see cref="CloseAsync(CloseCode, string)"/> where the end is what is
/// tested.
/// </para>
/// </remarks>
public sealed partial class TestClient : IAsyncDisposable, IDisposable
{
    private readonly MemoryConnection _connection;
    private readonly WebSocket _socket;
    private readonly CancellationToken _cancellationToken;
    private readonly string _target;
    private readonly Channel<ReceivedMessage> _inbox = Channel.CreateUnbounded<ReceivedMessage>();
    private readonly TaskCompletionSource _received = new(TaskCreationOptions.RunContinuationsAsynchronously); // when nothing more will be
    private readonly WebSocketServer? _ownServer;
    private ReceivedMessage? _last; // of those that were received
    private Exception? _failure;
    private int _disposed;

    private TestClient(MemoryConnection connection, WebSocketServer server, string target, TestResponse response, TestClientOptions options, bool ownsServer)
    {
        _connection = connection;
        _target = target;
        Timeout = options.Timeout;
        _cancellationToken = options.CancellationToken;
        _ownServer = ownsServer ? server : null;
        Server = server;
        Response = response;
        ServerSide = connection.ServerSide!;
        _socket = WebSocket.CreateFromStream(connection.ClientEnd, new WebSocketCreationOptions
        {
            IsServer = false,
            SubProtocol = response["Sec-WebSocket-Protocol"],
            KeepAliveInterval = System.Threading.Timeout.InfiniteTimeSpan,
            DangerousDeflateOptions = ClientHandshake.Agreed(response),
        });
        _ = Task.Run(ReceiveAllAsync);
    }

    /// <summary>The server that the client is connected to.</summary>
    public WebSocketServer Server { get; }

    /// <summary>The client as the server has it: what handlers get in their events. It stays the same after the end of the connection.</summary>
    public WebSocketClient ServerSide { get; }

    /// <summary>The server's answer to the request of the handshake, with the headers that handlers have added.</summary>
    public TestResponse Response { get; }

    /// <summary>How long each wait may take from now on: see <see cref="TestClientOptions.Timeout"/>, which it begins with.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is neither positive nor infinite.</exception>
    public TimeSpan Timeout
    {
        get;
        set => field = Guard.Checked(value);
    }

    /// <summary>The subprotocol that was agreed on, or null for none.</summary>
    public string? Subprotocol => _socket.SubProtocol;

    /// <summary>Whether the client has received neither a Close frame nor the end of the connection.</summary>
    public bool IsOpen => CloseCode is null;

    /// <summary>
    /// The code of the Close frame that the server has sent: 1000 also for one without a code, as the framework's client tells it. Null as long as none was received; 1006
    /// (<see cref="CloseCode.AbnormalClosure"/>) if the connection ended without one.
    /// </summary>
    public CloseCode? CloseCode => _socket.CloseStatus is { } status ? status : _received.Task.IsCompleted ? WebSocketServerKit.CloseCode.AbnormalClosure : null;

    /// <summary>The reason of that Close frame; empty if there is none.</summary>
    public string CloseReason => _socket.CloseStatusDescription ?? "";

    /// <summary>
    /// A client of a server of its own, which has no handlers: for the unit test of one handler, which is called with <see cref="ServerSide"/> or with the arguments that <see cref="TestEvents"/> makes.
    /// What the handler sends is received here.
    /// </summary>
    /// <param name="target">The path and the query of its request, percent-encoded.</param>
    /// <param name="configure">Sets options of the client.</param>
    /// <param name="options">The options of the server; null for the default ones. What they listen on is listened on.</param>
    /// <exception cref="ArgumentException">The target does not begin with a slash, or has a space or a line end; or an option of the server has an invalid value.</exception>
    /// <exception cref="HandshakeRefusedException">The server has refused the client, because of these options.</exception>
    /// <exception cref="IOException">The server cannot listen where the options say.</exception>
    public static async Task<TestClient> StandAloneAsync(string target = "/", Action<TestClientOptions>? configure = null, WebSocketServerOptions? options = null)
    {
        WebSocketServer server = new(options ?? new WebSocketServerOptions());
        try
        {
            await server.StartAsync().ConfigureAwait(false);
            return await ConnectAsync(server, target, TestClientOptions.Of(configure), ownsServer: true).ConfigureAwait(false);
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Loses the connection, as a client does whose program is killed or whose network fails: there is no Close frame, and the server sees 1006. It first gets what was sent before. Does not wait:
    /// <see cref="WaitForCloseAsync"/> waits until the server has noticed it.
    /// </summary>
    public void Drop()
    {
        _connection.ClientEnd.Cut("The client has lost the connection.");
        _socket.Abort();
    }

    /// <summary>
    /// Ends reading, so that this is a slow client: the server's writes fill the buffer (<see cref="TestClientOptions.BufferSize"/>) and then wait. Pings and a Close frame of the server are not
    /// answered either. What was received before can be taken.
    /// </summary>
    public void PauseReading() => _connection.Pause();

    /// <summary>Reads again.</summary>
    public void ResumeReading() => _connection.Resume();

    /// <summary>
    /// Closes the connection: sends a Close frame, and waits for the server's and for the end of the handlers of <see cref="WebSocketServer.ClientDisconnected"/>. Messages that are received meanwhile
    /// can be taken afterwards. A paused client reads again. If the connection has ended already, it only waits.
    /// </summary>
    /// <param name="code">Why: 1000, 1001, or one of your own.</param>
    /// <param name="reason">At most 123 bytes as UTF-8.</param>
    /// <exception cref="ArgumentException">A client must not send the code, or the reason is too long. Send such a frame with <see cref="SendRawAsync"/>.</exception>
    /// <exception cref="TimeoutException">The server has not answered, or its handlers have not ended.</exception>
    public async Task CloseAsync(CloseCode code, string reason = "")
    {
        ArgumentNullException.ThrowIfNull(reason);
        // The framework would send it.
        if (code == WebSocketServerKit.CloseCode.NoStatusReceived)
            throw new ArgumentException("1005 is never sent. It stands for a Close frame without a code: send one with SendRawAsync.", nameof(code));
        ResumeReading();
        try
        {
            Task sending = _socket.CloseOutputAsync((WebSocketCloseStatus)code, reason, CancellationToken.None);
            await Guard.WaitAsync(sending, Timeout, () => $"the server to take a Close frame. {State()}", _cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsOver(exception))
        {
            // The connection is ending already.
        }

        await WaitForCloseAsync().ConfigureAwait(false);
    }

    /// <summary>Closes the connection with 1000 (normal closure). Otherwise like <see cref="CloseAsync(CloseCode, string)"/>.</summary>
    public Task CloseAsync() => CloseAsync(WebSocketServerKit.CloseCode.NormalClosure);

    /// <summary>
    /// Waits for the end of the connection, whichever side ends it, and for the end of the handlers of <see cref="WebSocketServer.ClientDisconnected"/>: then a test can look at what they have done.
    /// </summary>
    /// <returns>The code that the server has sent; 1006 if the connection ended without a Close frame of the server.</returns>
    /// <exception cref="TimeoutException">The connection has not ended, or the handlers have not.</exception>
    /// <exception cref="ObjectDisposedException">This client is disposed of.</exception>
    public async Task<CloseCode> WaitForCloseAsync()
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        await Guard.WaitAsync(_connection.Served, Timeout, () => $"the end of the connection and of the handlers of ClientDisconnected. {State()}", _cancellationToken).ConfigureAwait(false);
        await Guard.WaitAsync(_received.Task, Timeout, () => $"the end of what the server has sent. {State()}", _cancellationToken).ConfigureAwait(false);
        return CloseCode!.Value;
    }

    /// <summary>Drops the connection if there still is one. Whoever waits for a message gets an <see cref="ObjectDisposedException"/>. Does not wait for the server.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        if (_received.Task.IsCompleted)
            _connection.ClientEnd.Dispose();
        else
            Drop();
        _inbox.Writer.TryComplete();
        _socket.Dispose();
        _ownServer?.Dispose();
    }

    /// <inheritdoc cref="Dispose"/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>The path and what the server calls the client, for messages.</summary>
    public override string ToString() => $"TestClient of {_target}, on the server {ServerSide}";

    internal static async Task<TestClient> ConnectAsync(WebSocketServer server, string target, TestClientOptions options, bool ownsServer)
    {
        (MemoryConnection connection, TestResponse response) = await AskAsync(server, target, options).ConfigureAwait(false);
        if (response.Status == System.Net.HttpStatusCode.SwitchingProtocols)
            return new TestClient(connection, server, target, response, options, ownsServer);
        await connection.ClientEnd.DisposeAsync().ConfigureAwait(false);
        throw new HandshakeRefusedException(target, response);
    }

    private static async Task<(MemoryConnection Connection, TestResponse Response)> AskAsync(WebSocketServer server, string target, TestClientOptions options)
    {
        options.CancellationToken.ThrowIfCancellationRequested();
        string key = options.Headers.LastOrDefault(header => header.Key.Equals("Sec-WebSocket-Key", StringComparison.OrdinalIgnoreCase)).Value ?? ClientHandshake.NewKey();
        byte[] request = Encoding.UTF8.GetBytes(ClientHandshake.Request(target, options, key));
        MemoryConnection connection = new(server, options, isRead: true);
        try
        {
            Task<TestResponse> answering = ExchangeAsync(connection.ClientEnd, request);
            TestResponse response = await Guard.WaitAsync(
                answering, options.Timeout, () => $"the server's answer to the request for {target}. Handlers of Handshaking have not ended, or their clock does not move.", options.CancellationToken).ConfigureAwait(false);
            if (response.Status == System.Net.HttpStatusCode.SwitchingProtocols)
                ClientHandshake.Check(response, key);
            return (connection, response);
        }
        catch (Exception exception)
        {
            connection.ClientEnd.Cut("The client has given up.");
            await connection.ClientEnd.DisposeAsync().ConfigureAwait(false);
            if (exception is not IOException)
                throw;
            throw new ConnectionClosedException("The server has not answered the request of the handshake", WebSocketServerKit.CloseCode.AbnormalClosure, "", exception);
        }
    }

    private static async Task<TestResponse> ExchangeAsync(Stream stream, byte[] request)
    {
        Task<TestResponse> answering = ClientHandshake.ReadAsync(stream);
        try
        {
            await stream.WriteAsync(request).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The server has refused the client before it has read everything. Its answer tells why.
        }

        return await answering.ConfigureAwait(false);
    }

    private static bool IsOver(Exception exception) => exception is WebSocketException or IOException or ObjectDisposedException;

    // What is so while a wait has taken too long.
    private string State()
    {
        string received = _last is { } last ? $"The last message that the client has received: {last}. " : "The client has received no message. ";
        string paused = _connection.IsPaused ? "It is paused, so it receives nothing. " : "";
        string connection = CloseCode is { } code ? ConnectionClosedException.Describe(code, CloseReason) : "the connection is open";
        string server = _connection.Served.IsCompleted ? "" : $"; on the server, {_connection.WhyBusy(waitsForHandlers: true) ?? "nothing runs for the client"}";
        return $"{received}{paused}State: {connection}{server}.";
    }

    private async Task ReceiveAllAsync()
    {
        try
        {
            while (await ReceiveWholeAsync().ConfigureAwait(false) is { } message)
            {
                Volatile.Write(ref _last, message);
                _inbox.Writer.TryWrite(message);
            }

            // As a browser does: the same code, and no reason.
            if (_socket.State == WebSocketState.CloseReceived)
                await _socket.CloseOutputAsync(_socket.CloseStatus!.Value, null, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            _failure = failure; // of the connection, or a frame that breaks a rule
        }

        await _connection.ClientEnd.DisposeAsync().ConfigureAwait(false);
        _connection.IsRead = false;
        _received.SetResult(); // whoever waits for a message looks at the close code
        _inbox.Writer.TryComplete();
    }

    private async Task<ReceivedMessage?> ReceiveWholeAsync()
    {
        byte[] buffer = new byte[4 * 1024];
        int count = 0;
        while (true)
        {
            ValueWebSocketReceiveResult received = await _socket.ReceiveAsync(buffer.AsMemory(count), CancellationToken.None).ConfigureAwait(false);
            if (received.MessageType == WebSocketMessageType.Close)
                return null;
            count += received.Count;
            if (received.EndOfMessage)
                return new ReceivedMessage(received.MessageType, buffer[..count]);
            if (count == buffer.Length)
                Array.Resize(ref buffer, 2 * count);
        }
    }
}
