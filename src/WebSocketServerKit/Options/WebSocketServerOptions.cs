using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Options;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit;

/// <summary>
/// The options of a <see cref="WebSocketServer"/>. All limits except the rate limits and <see cref="MaxClientsPerUser"/> are on by default. The server copies the values when it starts; later
/// changes take effect at the next start. Constructor and start check the values by <see cref="Validate"/>. Not thread-safe.
/// </summary>
public sealed class WebSocketServerOptions
{
    private const string TransportSwitch = "WebSocketServerKit.Transport";

    private int? _maxClients;

    /// <summary>
    /// The addresses to listen on, as text; <see cref="Listen(EndPoint, ListenOptions?)"/> adds end points. Default: none. A server without any serves only the connections that
    /// <see cref="WebSocketServer.AcceptAsync(Stream, AcceptOptions?, CancellationToken)"/> is given.
    /// <list type="bullet">
    /// <item><c>http://localhost:8080</c>: the loopback addresses 127.0.0.1 and [::1], on one port.</item>
    /// <item><c>http://192.0.2.1:8080</c>, <c>http://[2001:db8::1]:8080</c>: one address of this machine.</item>
    /// <item><c>http://*:8080</c>: every address, IPv4 and IPv6. <c>+</c> means the same.</item>
    /// <item><c>https://*:8443</c>: the same over TLS; <see cref="ListenDefaults"/> needs a certificate. Likewise for all other forms.</item>
    /// <item><c>unix:/run/app.sock</c>: a Unix domain socket, by its absolute path; <c>https://unix:/run/app.sock</c> over TLS.</item>
    /// </list>
    /// <c>ws</c> and <c>wss</c> mean the same as <c>http</c> and <c>https</c>. With port 0 the system chooses a port; <see cref="WebSocketServer.EndPoints"/> shows it.
    /// </summary>
    public IList<string> Urls { get; set; } = [];

    /// <summary>
    /// The options of every place to listen that has none of its own: of all <see cref="Urls"/>, and of <c>Listen</c> without options. Its <see cref="ListenOptions.Tls"/> is also used for https
    /// URLs whose own options have no certificate.
    /// </summary>
    public ListenOptions ListenDefaults { get; set; } = new();

    // Not public: the configuration binding source generator warns about public properties whose type it cannot bind.
    internal IList<ListenPlace> Places { get; set; } = [];

    /// <summary>
    /// The subprotocols that the server supports. Default: none. The server selects the first one in the client's list that it supports.
    /// A <see cref="WebSocketServer.Handshaking"/> handler may select another.
    /// </summary>
    public IList<string> Subprotocols { get; set; } = [];

    /// <summary>
    /// The origins of foreign pages that may connect: <c>https://app.example.com</c>, <c>null</c> for pages from files, or <c>*</c> for every page.
    /// Default: none, so a browser can connect only from a page of the server's own host and port. Programs other than browsers usually send no origin; they
    /// may always connect. Security: with <c>*</c> any page that a user visits can use this server with that user's cookies and from the user's network.
    /// </summary>
    /// <remarks>
    /// Some devices and libraries send an <c>Origin</c> header that is not an origin (<c>file://</c>, <c>192.168.1.10</c>, their name). So an entry may be any
    /// value of the header. Comparison ignores case, a slash at the end, and the default port of the scheme.
    /// </remarks>
    public IList<string> AllowedOrigins { get; set; } = [];

    /// <summary>
    /// The host names that requests may use: <c>example.com</c> (any port), <c>example.com:8080</c>, <c>*.example.com</c> for all subdomains, <c>[::1]</c>, or
    /// <c>*</c> for every host. A request for another host is answered with 421. Default: none. Then pages and plain HTTP requests that arrive on a loopback
    /// address may use <c>localhost</c>, its subdomains, or an IP address; on other addresses any host is accepted.
    /// </summary>
    /// <remarks>
    /// <para>
    /// This prevents DNS rebinding: a foreign page lets its own host name resolve to this machine, so that the browser treats the server as the page's own
    /// origin. The default detects that on loopback addresses only, because elsewhere the server does not know its names: list them here.
    /// Behind a proxy on the same machine that forwards the public host name, add that name; WebSocket handshakes through a proxy of <see cref="TrustedProxies"/>
    /// that tells the client in <see cref="ForwardedHeaders"/> need no entry, but plain HTTP requests do.
    /// </para>
    /// <para>
    /// A list that is not empty applies to every request on every address, including those of programs and those without a host. So add every name that clients
    /// use, also
    /// <c>localhost</c> or the address of a health check. With an empty list, pages of <see cref="AllowedOrigins"/> may use any host.
    /// </para>
    /// </remarks>
    public IList<string> AllowedHosts { get; set; } = [];

    /// <summary>
    /// The proxies in front of the server that are believed what they tell about their clients: addresses (<c>192.0.2.1</c>), networks (<c>10.0.0.0/8</c>), <c>localhost</c> for those on this
    /// machine, <c>unix</c> for whoever connects to a Unix domain socket. Default: none. They tell it in <see cref="ForwardedHeaders"/>, or by the PROXY protocol
    /// (<see cref="ListenOptions.ProxyProtocol"/>).
    /// </summary>
    /// <remarks>
    /// <see cref="WebSocketClient.RemoteEndPoint"/> and the limits per remote address then mean the client; <see cref="WebSocketClient.Proxy"/> is the proxy. Security: list only proxies, and
    /// only if clients cannot come from the same addresses: whoever comes from there can claim any address, host and scheme.
    /// </remarks>
    public IList<string> TrustedProxies { get; set; } = [];

    /// <summary>
    /// The HTTP headers in which <see cref="TrustedProxies"/> tell the client's address, scheme and host. Default: <see cref="ForwardedHeaderKind.None"/>. The proxy has to set those headers
    /// itself, in place of what the client sends.
    /// </summary>
    public ForwardedHeaderKind ForwardedHeaders { get; set; }

    /// <summary>
    /// The largest message that a client may send, in bytes, all fragments together and decompressed. Default: 1 MiB. At most about 1 GiB. A larger one closes the connection with 1009 (message too big), unless
    /// <see cref="StreamMessagesFrom"/> lets it be read while it is received. Each client can make the server buffer this much; <see cref="MaxBufferedBytes"/> limits all clients together.
    /// </summary>
    public int MaxMessageSize { get; set; } = 1024 * 1024;

    /// <summary>
    /// The maximum number of fragments of one message. Default: 131,072. More close the connection with 1008 (policy violation). Without this limit a message
    /// of empty fragments could be endless.
    /// </summary>
    public int MaxFragmentsPerMessage { get; set; } = 131_072;

    /// <summary>
    /// The largest request line and headers together, in bytes. Default: 32 KiB, enough for sites with long cookies. From 256 bytes to 1 MiB. A larger request is answered with 431, or with 414 if its first
    /// line alone is too long. The buffer grows with the received bytes.
    /// </summary>
    public int MaxRequestHeadSize { get; set; } = 32 * 1024;

    /// <summary>The maximum number of header lines of a request. Default: 100. From 8 to 10,000. A request with more is answered with 431.</summary>
    public int MaxHeaderLines { get; set; } = 100;

    /// <summary>
    /// The time that a client has to send its request, with all that comes before it: the TLS handshake, the header of the PROXY protocol. Default: 10 s. At most 1 hour. After that it is answered with 408,
    /// or cut if its TLS handshake is not over. The time of a
    /// <see cref="WebSocketServer.Handshaking"/> handler does not count.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The time without any received byte after which the server pings a client. Default: 20 s, shorter than the idle timeouts of most proxies and home routers.
    /// At most 12 hours. <see cref="Timeout.InfiniteTimeSpan"/> turns pings off; then a client whose connection broke without a FIN or RST stays listed until something is sent to it.
    /// </summary>
    public TimeSpan PingInterval { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// The time after a ping in which any byte must arrive from the client. Default: 20 s. After that the connection is cut. At most 12 hours; with <see cref="Timeout.InfiniteTimeSpan"/> it is not cut.
    /// </summary>
    public TimeSpan PingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// The time that a closing connection may make no progress: the client takes no pending bytes, and neither its Close frame nor the end of its TCP
    /// connection arrives. Default: 5 s. At most 1 hour. After that it is cut. Each time the client takes pending bytes, the time starts again, within
    /// <see cref="MaxCloseDuration"/>. It applies to the answers to plain HTTP requests too.
    /// </summary>
    /// <remarks>
    /// If the server closes, the time runs while a handler of the client runs, whether or not the client has answered. After a connection was cut, its handlers
    /// have the same time again. Then the server stops waiting for them. That applies to <see cref="WebSocketServer.Handshaking"/> handlers whose client has
    /// left too.
    /// </remarks>
    public TimeSpan CloseTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The time during which progress of a slow client restarts <see cref="CloseTimeout"/>. Default: 1 min. At most 12 hours. After that progress no longer counts, and the
    /// connection is cut when
    /// <see cref="CloseTimeout"/> is over. A longer time lets more slow clients keep their memory at the same time. When the server stops,
    /// <see cref="StopTimeout"/> applies as well.
    /// </summary>
    public TimeSpan MaxCloseDuration { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// The time that <see cref="WebSocketServer.StopAsync(CancellationToken)"/> waits for clients to close and for handlers to end. Default: 10 s. At most 12 hours. After that
    /// it cuts the connections, which then have up to 1 s to end. A slow client loses what it has not received by then.
    /// </summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How many bytes may wait to be sent to one client. Default: 1 MiB. From 1 KiB to 1 GiB. When they are reached,
    /// <see cref="WebSocketClient.SendAsync(string, CancellationToken)"/> waits,
    /// <see cref="WebSocketClient.TrySend(string, SendOptions)"/> returns <see cref="SendResult.Dropped"/> and a broadcast leaves the client out: <see cref="SlowClients"/> has other
    /// policies. A single larger message still goes, alone.
    /// Pending <c>SendAsync</c> calls may hold as many bytes again (at least 64 KiB, or one larger message); further calls throw a
    /// <see cref="System.Net.WebSockets.WebSocketException"/>.
    /// </summary>
    public int SendQueueLimit { get; set; } = 1024 * 1024;

    /// <summary>
    /// Message compression for clients that offer it. Default: null, which turns it off: on a fast network it costs more time than it saves, and it can leak
    /// secrets. See
    /// <see cref="PerMessageDeflateOptions"/>.
    /// </summary>
    public PerMessageDeflateOptions? PerMessageDeflate { get; set; }

    /// <summary>
    /// The maximum number of bytes that the server holds for all clients together: incoming messages, send queues, read-ahead, compression. Default: null, a
    /// quarter of the memory that this process may use. At least 1 MiB. From three quarters of the limit on, the server does not read from the clients that hold the most.
    /// Above the limit it closes them with 1013 (try again later).
    /// <see cref="WebSocketServer.BufferedBytes"/> is the current value; a shortage is logged. The other limits are per client: SECURITY.md adds them up.
    /// </summary>
    /// <remarks>
    /// The limit is enforced by closing clients, the largest first, not by refusing memory, so it can be exceeded for a moment. After a shortage of 10 s the client that holds the most is closed, though the limit
    /// is not exceeded. From five quarters of it on, every client
    /// that has just been read is closed. A client that holds no more than 16 KiB is neither
    /// paused nor closed. A compressor that is kept for a client counts as 330 KiB, a decompressor as 45 KiB.
    /// </remarks>
    public long? MaxBufferedBytes { get; set; }

    /// <summary>
    /// The maximum number of connected clients, including handshakes. Further ones are answered with 503; handlers of <see cref="WebSocketServer.HttpRequestReceived"/> still answer plain HTTP requests. Default: 100,000; on Linux less, if the limit on open
    /// files requires it, which is logged at the start. A number that you set is not lowered: if the limit on open files is too low for it, a warning tells the
    /// limit to set. When the process has no file left to open, no new client can connect, and .NET itself may end the process.
    /// </summary>
    public int MaxClients
    {
        get => _maxClients ?? 100_000;
        set => _maxClients = value;
    }

    /// <summary>
    /// The maximum number of clients from one remote address. Further ones are answered with 503. Default: 20,000, which only stops a flood. Lower it for a
    /// server that faces the internet directly. Clients behind one of <see cref="TrustedProxies"/> count with their own address, those behind any other proxy with the proxy's.
    /// </summary>
    public int MaxClientsPerRemoteAddress { get; set; } = 20_000;

    /// <summary>
    /// The maximum number of concurrent handshakes. Default: 4,096. A further connection replaces one that has sent nothing yet, or else the oldest of an
    /// address that has at least two more handshakes than its own address. The connection that was replaced is answered with 503; if there is none, the new one is.
    /// </summary>
    public int MaxConcurrentHandshakes { get; set; } = 4_096;

    /// <summary>
    /// The maximum number of concurrent handshakes of one remote address, so that it cannot keep all others out. Default: null, half of
    /// <see cref="MaxConcurrentHandshakes"/>. A further connection replaces one of the same address that has sent nothing yet, or is answered with 503. Clients
    /// behind a proxy count as for <see cref="MaxClientsPerRemoteAddress"/>.
    /// </summary>
    public int? MaxConcurrentHandshakesPerRemoteAddress { get; set; }

    /// <summary>
    /// The number of messages per second that the server reads from one client, on average. Default: null, no limit. After a burst of one second's worth the
    /// server pauses reading, so that TCP slows the client down, and no message is lost; <see cref="OverRate"/> has other reactions.
    /// </summary>
    public int? MaxMessagesPerSecond { get; set; }

    /// <summary>
    /// The number of bytes per second that the server reads from one client, on average: the bytes on the wire plus the decompressed size of compressed
    /// messages. Default: null, no limit. It works like <see cref="MaxMessagesPerSecond"/>.
    /// </summary>
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>
    /// What the server does with a client when a handler throws for it. Default: <see cref="HandlerExceptionPolicy.CloseClient"/>. The exception is always logged.
    /// </summary>
    public HandlerExceptionPolicy HandlerExceptions { get; set; } = HandlerExceptionPolicy.CloseClient;

    /// <summary>
    /// The time after which a handler that still runs is logged as slow, once. Default: 5 s. At most 12 hours; <see cref="Timeout.InfiniteTimeSpan"/> for never. The client's next message waits until the handler ends or calls
    /// <c>ContinueReceiving</c>.
    /// </summary>
    public TimeSpan SlowHandlerThreshold { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The context in which handlers run. Default: null, the thread pool or the threads of <see cref="WebSocketTransport.EventLoop"/>, which is many times faster. To access the controls of a WPF, WinForms or Avalonia
    /// window in handlers, set it to
    /// <see cref="SynchronizationContext.Current"/> on the window's thread.
    /// </summary>
    /// <remarks>
    /// <para>
    /// Events wait while that thread is busy. None is lost, the events of one client keep their order, and <see cref="WebSocketServer.ClientDisconnected"/> is
    /// raised exactly once. A client that leaves meanwhile is removed from <see cref="WebSocketServer.Clients"/> before its events are raised.
    /// </para>
    /// <para>
    /// Await <see cref="WebSocketServer.StopAsync(CancellationToken)"/> on that thread instead of blocking it, and delay the closing of a window until the
    /// server has stopped. While the thread is blocked, events and async handlers that have begun cannot continue, and the stop waits for such handlers until
    /// <see cref="StopTimeout"/>.
    /// </para>
    /// <para>
    /// If the context refuses a callback or silently drops it, as that of a closed window may do, the handlers run on the thread pool. A refusal is treated as
    /// an exception of a handler. A dropped callback is detected when the garbage collector runs.
    /// </para>
    /// </remarks>
    public SynchronizationContext? EventContext { get; set; }

    /// <summary>
    /// The size in bytes from which messages are handed to <see cref="WebSocketServer.OnMessageStream(Func{WebSocketClient, MessageStream, ValueTask})"/> while they are received, in place of
    /// <see cref="WebSocketServer.MessageReceived"/>; 0 for all messages. Default: null, never. A message of several fragments, or a compressed one, is gathered until it is that large. With a value
    /// above <see cref="MaxMessageSize"/>, messages that are larger than that are handed on so. Without a handler, messages are raised and limited as if this were null.
    /// </summary>
    public long? StreamMessagesFrom { get; set; }

    /// <summary>
    /// The largest message that is handed on while it is received, in bytes, all fragments together and decompressed. Default: 1 GiB. A larger one closes the connection with 1009 (message too
    /// big), as soon as its frames announce it or it has become that large.
    /// </summary>
    public long MaxStreamedMessageSize { get; set; } = 1024 * 1024 * 1024;

    /// <summary>
    /// How long a client may take to send a message that is handed on while it is received, from its first byte to its last. Default: 5 min. At most 12 hours; <see cref="Timeout.InfiniteTimeSpan"/> for no
    /// limit. After that it is closed with 1008 (policy violation).
    /// The time in which the server does not read from the client does not count: because the handler does not read the message, because of a rate limit, or because memory is short.
    /// </summary>
    public TimeSpan StreamedMessageTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// What happens to a message for a client that reads too slowly. Default: <see cref="SlowClientPolicy.Wait"/>. Whatever the policy, a message that is sent with a key replaces a pending one:
    /// see <see cref="WebSocketClient.TrySendLatest(string, string, SendOptions)"/>.
    /// </summary>
    public SlowClientPolicy SlowClients { get; set; } = SlowClientPolicy.Wait;

    /// <summary>
    /// The maximum number of topic filters that one client is subscribed to. Default: 1,000. One more throws in <see cref="WebSocketClient.Subscribe"/>; uncaught in a handler, that closes the client,
    /// as <see cref="HandlerExceptions"/> says. It keeps peers that choose the filters from filling the memory. Null for no limit.
    /// </summary>
    public int? MaxSubscriptionsPerClient { get; set; } = 1_000;

    /// <summary>
    /// What the server does with a client that sends more than <see cref="MaxMessagesPerSecond"/> or <see cref="MaxBytesPerSecond"/>. Default: <see cref="RateLimitReaction.ReadSlower"/>. It also
    /// decides which bytes count: with the default all that are read; otherwise the payload of the messages that are raised. After a burst of one second's worth, a message that begins while the
    /// client is over its limits is refused. <see cref="WebSocketServer.ClientOverRate"/> tells when a client begins.
    /// </summary>
    /// <remarks>
    /// While a handler of the client runs, nothing is read beyond 64 KiB, whatever this says: that is the back-pressure. With <see cref="RateLimitReaction.Drop"/> and compression, clients are
    /// asked to compress each message without reference to earlier ones (<c>client_no_context_takeover</c>), so that one can be left out.
    /// </remarks>
    public RateLimitReaction OverRate { get; set; }

    /// <summary>
    /// The maximum number of connected clients with the same <see cref="WebSocketClient.UserId"/>. Default: null, no limit. Further ones are answered with 429. Clients without a user are not
    /// counted. A client counts from its acceptance until it is out of <see cref="WebSocketServer.Clients"/>.
    /// </summary>
    public int? MaxClientsPerUser { get; set; }

    /// <summary>
    /// How long before <see cref="WebSocketClient.ExpiresAt"/> the event <see cref="WebSocketServer.ClientExpiring"/> is raised. Default: 1 min. Zero: it is not raised. At most 24 hours.
    /// </summary>
    public TimeSpan ExpiryNotice { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How the server waits for the sockets that it has accepted. Default: <see cref="WebSocketTransport.Auto"/>. Connections that the host brings (<see cref="WebSocketServer.AcceptAsync(Stream, AcceptOptions, CancellationToken)"/>) do not
    /// depend on it.
    /// </summary>
    public WebSocketTransport Transport { get; set; }

    /// <summary>The number of threads that wait for sockets with <see cref="WebSocketTransport.EventLoop"/>. Default: null, as many as the process has processors. At most 1,024.</summary>
    public int? EventLoops { get; set; }

    // Not public for the same reason as Places.
    internal TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    [SupportedOSPlatformGuard("linux")]
    internal bool UsesEventLoop =>
        OperatingSystem.IsLinux() && (Transport == WebSocketTransport.Auto ? AppContext.GetData(TransportSwitch) as string == nameof(WebSocketTransport.EventLoop) : Transport == WebSocketTransport.EventLoop);

    internal bool HasMaxClients => _maxClients is not null;

    // A quarter of the shortest timeout, from 10 ms to 0.5 s. Read-ahead begins at the second beat after a handler has started, so within a second.
    internal TimeSpan HeartbeatInterval
    {
        get
        {
            TimeSpan interval = TimeSpan.FromSeconds(0.5);
            foreach (TimeSpan time in (ReadOnlySpan<TimeSpan>)[HandshakeTimeout, PingInterval, PingTimeout, CloseTimeout, SlowHandlerThreshold, StreamedMessageTimeout])
            {
                if (time != Timeout.InfiniteTimeSpan && time / 4 < interval)
                    interval = time / 4;
            }

            return interval < TimeSpan.FromMilliseconds(10) ? TimeSpan.FromMilliseconds(10) : interval;
        }
    }

    /// <summary>Adds an address in text form.</summary>
    /// <param name="url">The address, such as <c>http://localhost:8080</c>. <see cref="Urls"/> lists the forms.</param>
    /// <param name="options">TLS and other options of this place; null for <see cref="ListenDefaults"/>.</param>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">The text is not an address to listen on; the message shows the correct form.</exception>
    public WebSocketServerOptions Listen(string url, ListenOptions? options = null)
    {
        if (!ListenAddress.TryParse(url, out ListenAddress? address, out string? problem))
            throw new ArgumentException(problem, nameof(url));
        if (options is null)
            Urls = [.. Urls, url];
        else
            Places = [.. Places, new ListenPlace(address, null, options)];
        return this;
    }

    /// <summary>Adds an end point to listen on.</summary>
    /// <param name="endPoint">
    /// An <see cref="IPEndPoint"/> or a <see cref="UnixDomainSocketEndPoint"/>. <see cref="IPAddress.IPv6Any"/> accepts IPv4 clients too, so
    /// it cannot be combined with
    /// <see cref="IPAddress.Any"/> on the same port. With port 0 the system chooses a port.
    /// </param>
    /// <param name="options">TLS and other options of this place; null for <see cref="ListenDefaults"/>.</param>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">The end point is of another type.</exception>
    public WebSocketServerOptions Listen(EndPoint endPoint, ListenOptions? options = null)
    {
        Places = [.. Places, PlaceOf(endPoint, options)];
        return this;
    }

    /// <summary>Adds a socket that is bound to an address, or listens already: one that another program has opened, or with options of its own.</summary>
    /// <param name="socket">A stream socket. The server closes it when it stops, or when its start fails, so it serves for one start.</param>
    /// <param name="options">TLS and other options of this place; null for <see cref="ListenDefaults"/>. What concerns addresses is left as the socket has it (<see cref="ListenOptions.DualMode"/>, <see cref="ListenOptions.ReusePort"/> and the like), and so is its receive buffer.</param>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">The socket is not a stream socket, or is not bound.</exception>
    /// <exception cref="ObjectDisposedException">The socket is closed.</exception>
    public WebSocketServerOptions Listen(Socket socket, ListenOptions? options = null)
    {
        Places = [.. Places, PlaceOf(socket, options)];
        return this;
    }

    /// <summary>
    /// Adds the sockets that systemd has passed to this process (socket activation, <c>sd_listen_fds</c>). Adds nothing when there are none, as when the program was started by hand. The sockets
    /// are taken once: a second call finds none.
    /// </summary>
    /// <param name="options">TLS and other options of these sockets; null for <see cref="ListenDefaults"/>.</param>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">One of them is not a stream socket: write <c>ListenStream=</c> in the socket unit.</exception>
    /// <exception cref="SocketException">One of them is no socket at all, but a pipe or another file.</exception>
    public WebSocketServerOptions ListenOnSystemdSockets(ListenOptions? options = null)
    {
        foreach (Socket socket in SystemdSockets.Take())
            Listen(socket, options);
        return this;
    }

    /// <summary>
    /// Tells the server from others of the process in metrics and traces: the tag <c>websocket.server.name</c>. Default: null, without the tag. Choose one of a few fixed names. The server's constructor reads it.
    /// </summary>
    public string? Name { get; set; }

    /// <summary>
    /// Whether each message of a traced client has a span of its own, beside those of the handshake and the connection: of a trace of its own, which the sampler decides about, with a link to the
    /// connection's. Default: false.
    /// </summary>
    public bool TraceMessages { get; set; }

    internal IMeterFactory? MeterFactory { get; private set; }

    /// <summary>
    /// Has this factory make the meter <c>WebSocketServerKit</c>, such as the one of a service provider, which tests and dependency injection can tell apart. Without it the servers
    /// share one meter, which every listener of the process hears. The server's constructor reads it.
    /// </summary>
    /// <returns>These options.</returns>
    public WebSocketServerOptions UseMeterFactory(IMeterFactory meterFactory)
    {
        ArgumentNullException.ThrowIfNull(meterFactory);
        MeterFactory = meterFactory;
        return this;
    }

    /// <summary>Uses this time provider instead of <see cref="TimeProvider.System"/>, for example a fake one in tests.</summary>
    /// <returns>These options.</returns>
    public WebSocketServerOptions UseTimeProvider(TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(timeProvider);
        TimeProvider = timeProvider;
        return this;
    }

    /// <summary>Checks all values. The server's constructor and start call it.</summary>
    /// <exception cref="ArgumentException">An option has an invalid value; the message names the option and the valid values.</exception>
    public void Validate()
    {
        CheckList(Urls);
        CheckList(Subprotocols);
        CheckList(AllowedOrigins);
        CheckList(AllowedHosts);
        if (ListenDefaults is null)
            throw new ArgumentException($"{NameOf(nameof(ListenDefaults))} is null. For the defaults set it to new().");
        if (ListenDefaults.Check() is { } wrong)
            throw new ArgumentException($"{NameOf(nameof(ListenDefaults))}{wrong}");
        foreach (string url in Urls)
        {
            if (ListenAddress.Validate(url) is { } problem)
                throw new ArgumentException($"{NameOf(nameof(Urls))}: {problem}");
        }

        foreach (ListenPlace place in AllPlaces())
        {
            if (place.Check(ListenDefaults) is { } problem)
                throw new ArgumentException(problem);
        }

        OptionCheck.Subprotocols(NameOf(nameof(Subprotocols)), Subprotocols);
        OptionCheck.Origins(NameOf(nameof(AllowedOrigins)), AllowedOrigins);
        if (AllowedHosts.Contains(null!))
            throw new ArgumentException($"{NameOf(nameof(AllowedHosts))} has an entry that is null.");
        foreach (string host in AllowedHosts)
        {
            if (HostRules.Validate(host) is { } problem)
                throw new ArgumentException($"{NameOf(nameof(AllowedHosts))}: {problem}");
        }

        CheckList(TrustedProxies);
        foreach (string proxy in TrustedProxies)
        {
            if (WebSocketServerKit.Transport.Proxies.TrustedProxies.Validate(proxy) is { } problem)
                throw new ArgumentException($"{NameOf(nameof(TrustedProxies))}: {problem}");
        }

        OptionCheck.Defined(NameOf(nameof(ForwardedHeaders)), ForwardedHeaders);
        if (TrustedProxies.Count == 0 && ForwardedHeaders != ForwardedHeaderKind.None)
            throw new ArgumentException($"{NameOf(nameof(ForwardedHeaders))} is {ForwardedHeaders}, but {nameof(TrustedProxies)} is empty, so nobody would be believed. Add the proxy's address.");
        if (TrustedProxies.Count == 0 && AllPlaces().FirstOrDefault(place => (place.Options ?? ListenDefaults).ProxyProtocol) is { } proxied)
            throw new ArgumentException($"{proxied.Name} expects the PROXY protocol, but {NameOf(nameof(TrustedProxies))} is empty, so nobody could connect. Add the proxy's address.");
        Check(MaxMessageSize, 1, Array.MaxLength / 2);
        Check(MaxFragmentsPerMessage, 1, int.MaxValue);
        Check(MaxRequestHeadSize, 256, 1024 * 1024);
        Check(MaxHeaderLines, 8, 10_000);
        Check(SendQueueLimit, 1024, SendQueue.MaxPayload);
        if (MaxBufferedBytes is { } buffered)
            Check(buffered, 1024 * 1024, long.MaxValue, nameof(MaxBufferedBytes));
        Check(MaxClients, 1, int.MaxValue);
        Check(MaxClientsPerRemoteAddress, 1, int.MaxValue);
        Check(MaxConcurrentHandshakes, 1, int.MaxValue);
        if (MaxConcurrentHandshakesPerRemoteAddress is { } handshakes)
            Check(handshakes, 1, int.MaxValue, nameof(MaxConcurrentHandshakesPerRemoteAddress));
        if (MaxMessagesPerSecond is { } messages)
            Check(messages, 1, int.MaxValue, nameof(MaxMessagesPerSecond));
        if (MaxBytesPerSecond is { } bytes)
            Check(bytes, 1, long.MaxValue, nameof(MaxBytesPerSecond));
        if (StreamMessagesFrom is { } from)
            Check(from, 0, long.MaxValue, nameof(StreamMessagesFrom));
        Check(MaxStreamedMessageSize, 1, long.MaxValue);
        Check(StreamedMessageTimeout, mostHours: 12, mayBeInfinite: true);
        if (MaxSubscriptionsPerClient is { } subscriptions)
            Check(subscriptions, 1, int.MaxValue, nameof(MaxSubscriptionsPerClient));
        if (MaxClientsPerUser is { } perUser)
            Check(perUser, 1, int.MaxValue, nameof(MaxClientsPerUser));
        if (ExpiryNotice != TimeSpan.Zero)
            Check(ExpiryNotice, mostHours: 24, mayBeInfinite: false);
        OptionCheck.Defined(NameOf(nameof(OverRate)), OverRate);
        Check(HandshakeTimeout, mostHours: 1, mayBeInfinite: false);
        Check(PingInterval, mostHours: 12, mayBeInfinite: true);
        Check(PingTimeout, mostHours: 12, mayBeInfinite: true);
        Check(CloseTimeout, mostHours: 1, mayBeInfinite: false);
        Check(MaxCloseDuration, mostHours: 12, mayBeInfinite: false);
        Check(StopTimeout, mostHours: 12, mayBeInfinite: false);
        Check(SlowHandlerThreshold, mostHours: 12, mayBeInfinite: true);
        OptionCheck.Defined(NameOf(nameof(Transport)), Transport);
        if (Transport == WebSocketTransport.EventLoop && !OperatingSystem.IsLinux())
            throw new ArgumentException($"{NameOf(nameof(Transport))} is {Transport}, which this system does not have. Choose {nameof(WebSocketTransport.Auto)}.");
        if (EventLoops is { } loops)
            Check(loops, 1, 1024, nameof(EventLoops));
        PerMessageDeflate?.Validate();
        OptionCheck.Defined(NameOf(nameof(HandlerExceptions)), HandlerExceptions);
        OptionCheck.Defined(NameOf(nameof(SlowClients)), SlowClients);
    }

    internal int EffectiveMaxConcurrentHandshakesPerRemoteAddress => MaxConcurrentHandshakesPerRemoteAddress ?? Math.Max(1, MaxConcurrentHandshakes / 2);

    // GC.GetGCMemoryInfo respects the memory limit of a container.
    internal long EffectiveMaxBufferedBytes => MaxBufferedBytes ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4;

    internal ConnectionSettings ToConnectionSettings(MemoryBudget budget) => new()
    {
        Budget = budget,
        MaxMessageSize = MaxMessageSize,
        MaxFragmentsPerMessage = MaxFragmentsPerMessage,
        MaxRequestHeadSize = MaxRequestHeadSize,
        MaxHeaderLines = MaxHeaderLines,
        SendQueueLimit = SendQueueLimit,
        SlowClients = SlowClients,
        MaxMessagesPerSecond = MaxMessagesPerSecond,
        MaxBytesPerSecond = MaxBytesPerSecond,
        StreamMessagesFrom = StreamMessagesFrom,
        MaxStreamedMessageSize = MaxStreamedMessageSize,
        StreamedMessageTimeout = StreamedMessageTimeout,
        MaxSubscriptionsPerClient = MaxSubscriptionsPerClient,
        OverRate = OverRate,
        ExpiryNotice = ExpiryNotice,
        HandshakeTimeout = HandshakeTimeout,
        PingInterval = PingInterval,
        PingTimeout = PingTimeout,
        CloseTimeout = CloseTimeout,
        MaxCloseDuration = MaxCloseDuration,
        SlowHandlerThreshold = SlowHandlerThreshold,
        CloseOnHandlerException = HandlerExceptions == HandlerExceptionPolicy.CloseClient,
        EventContext = EventContext,
        Compression = PerMessageDeflate?.ToCompressionSettings(),
    };

    /// <summary>All places to listen.</summary>
    internal IEnumerable<ListenPlace> AllPlaces() => [.. Places, .. Urls.Select(url => new ListenPlace(ListenAddress.Parse(url), null, null))];

    /// <exception cref="ArgumentException">The server cannot listen on such an end point.</exception>
    internal static ListenPlace PlaceOf(EndPoint endPoint, ListenOptions? options)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        return endPoint is IPEndPoint or UnixDomainSocketEndPoint
            ? new ListenPlace(new ListenAddress(endPoint), null, options)
            : throw new ArgumentException(
                $"The server cannot listen on a {endPoint.GetType().Name}. Use an IPEndPoint, a UnixDomainSocketEndPoint, or a text such as \"http://localhost:8080\".",
                nameof(endPoint));
    }

    /// <exception cref="ArgumentException">The server cannot listen on such a socket.</exception>
    internal static ListenPlace PlaceOf(Socket socket, ListenOptions? options)
    {
        ArgumentNullException.ThrowIfNull(socket);
        if (socket.SocketType != SocketType.Stream)
            throw new ArgumentException($"The server cannot listen on a socket of type {socket.SocketType}. It has to be a stream socket.", nameof(socket));
        return socket.LocalEndPoint is not null
            ? new ListenPlace(null, socket, options)
            : throw new ArgumentException("The socket has no address. Bind it first, or use Listen(EndPoint).", nameof(socket));
    }

    private static string NameOf(string option) => $"{nameof(WebSocketServerOptions)}.{option}";

    private static void Check(long value, long least, long most, [CallerArgumentExpression(nameof(value))] string option = "") =>
        OptionCheck.Range(NameOf(option), value, least, most);

    private static void CheckList<T>(IList<T>? list, [CallerArgumentExpression(nameof(list))] string option = "")
    {
        if (list is null)
            throw new ArgumentException($"{NameOf(option)} is null. For an empty list set it to [].");
    }

    private static void Check(TimeSpan value, int mostHours, bool mayBeInfinite, [CallerArgumentExpression(nameof(value))] string option = "") =>
        OptionCheck.Time(NameOf(option), value, mostHours, mayBeInfinite);
}
