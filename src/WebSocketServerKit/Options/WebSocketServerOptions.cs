using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Memory;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Options;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit;

/// <summary>
/// Everything that can be set on a <see cref="WebSocketServer"/>. All limits but those of rates are on by default. The server takes the values over when it starts;
/// later changes count from the next start. An impossible value is refused there, by an exception that names the option.
/// </summary>
public sealed class WebSocketServerOptions
{
    private int? _maxClients;

    /// <summary>
    /// Where to listen, as text; <see cref="Listen(EndPoint)"/> adds end points. Default: none. A server without any serves only what
    /// <see cref="WebSocketServer.AcceptAsync(Stream, EndPoint?, EndPoint?, CancellationToken)"/> is given.
    /// <list type="bullet">
    /// <item><c>http://localhost:8080</c>: this machine alone, 127.0.0.1 and [::1] on one port.</item>
    /// <item><c>http://192.0.2.1:8080</c>, <c>http://[2001:db8::1]:8080</c>: one address of this machine.</item>
    /// <item><c>http://*:8080</c>: every address, IPv4 and IPv6. <c>+</c> means the same.</item>
    /// <item><c>unix:/run/app.sock</c>: a Unix domain socket, by its whole path.</item>
    /// </list>
    /// <c>ws://</c> means the same as <c>http://</c>. Port 0 lets the system choose: <see cref="WebSocketServer.EndPoints"/> tells what it chose.
    /// </summary>
    public IList<string> Urls { get; set; } = [];

    // Not public: the source generator that binds configurations warns of each public property whose type it cannot read from text.
    internal IList<EndPoint> EndPoints { get; set; } = [];

    /// <summary>
    /// Subprotocols that the server speaks. The first one in the client's order of preference that stands here is chosen. Default: none.
    /// A <see cref="WebSocketServer.Handshaking"/> handler may choose otherwise.
    /// </summary>
    public IList<string> Subprotocols { get; set; } = [];

    /// <summary>
    /// Foreign origins whose pages may connect: <c>https://app.example.com</c>, <c>null</c> for pages from files, or <c>*</c> for every page.
    /// Default: none, so a browser connects only from a page of the server's own host and port. Programs that are no browsers send no origin
    /// and are not concerned. Danger of <c>*</c>: any page that a user visits can then speak to this server with that user's cookies and from the user's network.
    /// </summary>
    /// <remarks>
    /// Some devices and libraries send an <c>Origin</c> that is none (<c>file://</c>, <c>192.168.1.10</c>, their name): an entry may be any value of the header,
    /// as sent. Case does not matter, nor a slash at the end, nor a port that the scheme has anyway.
    /// </remarks>
    public IList<string> AllowedOrigins { get; set; } = [];

    /// <summary>
    /// Hosts for which the server answers, as clients name them: <c>example.com</c> (any port), <c>example.com:8080</c>, <c>*.example.com</c> for every name below
    /// it, <c>[::1]</c>, or <c>*</c> for every host. A request for another host gets 421. Default: none, which means:
    /// pages and plain HTTP requests that arrive on a loopback address may name <c>localhost</c>, a name below it, or an IP address; elsewhere any host will do.
    /// </summary>
    /// <remarks>
    /// <para>
    /// It keeps foreign pages out that had their own name point at this machine (DNS rebinding): to the browser they are of the server's own origin. On a
    /// loopback address that is found out by default, elsewhere the server does not know its names: name them here where pages need a guard.
    /// Behind a proxy on the same machine that passes the public host on, add that host.
    /// </para>
    /// <para>
    /// A list that is not empty holds for every request on every address, of programs too, and for one that names no host. So add every name that
    /// clients use: <c>localhost</c> or the address of a health check as well. Pages of <see cref="AllowedOrigins"/> are let in whatever host they name, unless there is a list.
    /// </para>
    /// </remarks>
    public IList<string> AllowedHosts { get; set; } = [];

    /// <summary>
    /// The largest message that a client may send, in bytes, fragments added up. Default: 1 MiB. A larger one closes the connection with 1009.
    /// Each client can make the server hold that much, within <see cref="MaxBufferedBytes"/> for all.
    /// </summary>
    public int MaxMessageSize { get; set; } = 1024 * 1024;

    /// <summary>
    /// How many fragments one message may have. Default: 131,072. More close the connection with 1008. Empty fragments cost a sender nothing,
    /// so without a limit a message could be endless.
    /// </summary>
    public int MaxFragmentsPerMessage { get; set; } = 131_072;

    /// <summary>
    /// The largest head of a request, in bytes: request line and headers. Default: 32 KiB, which lets sites with long cookies pass. A larger one is answered with
    /// 431. Memory is taken for what came only, not for what may come.
    /// </summary>
    public int MaxRequestHeadSize { get; set; } = 32 * 1024;

    /// <summary>How many header lines a request may have. Default: 100. More are answered with 431.</summary>
    public int MaxHeaderLines { get; set; } = 100;

    /// <summary>
    /// How long a client may take to send its request. Default: 10 s. Then it is answered with 408. A <see cref="WebSocketServer.Handshaking"/> handler's
    /// own time does not count.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// After how much silence a client is pinged. Default: 20 s, below what proxies and home routers usually allow an idle connection.
    /// <see cref="Timeout.InfiniteTimeSpan"/> turns pings off; then a client that vanished without a word stays listed until something is sent to it.
    /// </summary>
    public TimeSpan PingInterval { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a pinged client may stay silent before it counts as gone. Default: 20 s. Any byte from it is an answer.</summary>
    public TimeSpan PingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// How long a connection that is being closed may stand still: with the client taking nothing of what was accepted for it, without its Close frame, without the end of its TCP connection.
    /// Default: 5 s. Then it is cut. As long as the client takes what was sent to it the time begins anew, within <see cref="MaxCloseDuration"/>. It counts for the answers to plain HTTP
    /// requests too.
    /// </summary>
    /// <remarks>
    /// Where the server closes, the time goes on while a handler of the client runs, whether or not the client has answered. When a connection was cut, handlers that still run
    /// after as much again are given up: they are not waited for any longer. So are handlers of <see cref="WebSocketServer.Handshaking"/> whose client has left.
    /// </remarks>
    public TimeSpan CloseTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// For how long a client that takes what was accepted for it, but slowly, may draw out the closing of its connection. Default: 1 min. After that progress gives it no more
    /// time, and it is cut when <see cref="CloseTimeout"/> is over. A longer time lets more clients of this kind hold their memory at the same time. When the server stops,
    /// <see cref="StopTimeout"/> holds for them too.
    /// </summary>
    public TimeSpan MaxCloseDuration { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How long <see cref="WebSocketServer.StopAsync(CancellationToken)"/> waits for clients to leave and for handlers to end before it cuts and gives up. Default: 10 s. What was cut then has up to
    /// 1 s more to unwind. A client that reads slowly loses what it has not taken by then.
    /// </summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How many bytes may wait to be sent to one client. Default: 1 MiB. When they are reached, <see cref="WebSocketClient.SendAsync(string, CancellationToken)"/> waits,
    /// <see cref="WebSocketClient.TrySend(string, bool)"/> returns false and a broadcast leaves the client out. A single larger message still goes, alone.
    /// Messages that wait stand in line: as many bytes again, or 64 KiB if that is more, or one larger message. What comes then without waiting for them is refused with an exception.
    /// </summary>
    public int SendQueueLimit { get; set; } = 1024 * 1024;

    /// <summary>
    /// Compression of messages, for clients that offer it. Default: null, none: it costs more time than a fast network saves, and it can leak secrets.
    /// <see cref="PerMessageDeflateOptions"/> tells when, and what the limits are.
    /// </summary>
    public PerMessageDeflateOptions? PerMessageDeflate { get; set; }

    /// <summary>
    /// How many bytes the server may hold for all its clients together: messages that come in, send queues, decompressors. Default: null, a quarter of the memory that this process may use.
    /// From three quarters of it on the server reads no more from the clients that hold most; above it they are closed with 1013 ("try again later"). <see cref="WebSocketServer.BufferedBytes"/>
    /// tells what is held, and the log when it becomes short. The other limits are for each client: see SECURITY.md for what they come to together.
    /// </summary>
    /// <remarks>
    /// It is enforced by closing, not by refusing memory: for a moment more may be held. Who holds no more than 16 KiB is neither paused nor closed. Of a client with context
    /// takeover in either direction 330 KiB count from its handshake on.
    /// </remarks>
    public long? MaxBufferedBytes { get; set; }

    /// <summary>
    /// How many clients may be connected at once, handshakes included. Default: 100,000, or on Linux so many as the limit on open files leaves room for, if that is
    /// less; the log says so at the start. Further ones are answered with 503. A number that is set here is kept: if the limit on open files is too low for it, the log has a
    /// warning with the number to set. When that limit is reached, no new client gets in, and .NET itself may end the process.
    /// </summary>
    public int MaxClients
    {
        get => _maxClients ?? 100_000;
        set => _maxClients = value;
    }

    /// <summary>
    /// How many of them may come from one remote address. Default: 20,000, which only stops a flood. Lower it for a server that faces the internet
    /// directly; behind a proxy all clients have the proxy's address. Further ones are answered with 503.
    /// </summary>
    public int MaxClientsPerRemoteAddress { get; set; } = 20_000;

    /// <summary>
    /// How many handshakes may be under way at once. Default: 4,096. Further ones take the place of a connection that has not sent anything yet, which is answered with 503; if all have, they
    /// are answered so themselves.
    /// </summary>
    public int MaxConcurrentHandshakes { get; set; } = 4_096;

    /// <summary>
    /// How many of them one remote address may have, so that it cannot keep all others out. Default: null, half of <see cref="MaxConcurrentHandshakes"/>. Further ones take the
    /// place of one of that address that has not sent anything yet, or are answered with 503. Behind a proxy all clients have the proxy's address.
    /// </summary>
    public int? MaxConcurrentHandshakesPerRemoteAddress { get; set; }

    /// <summary>
    /// How many messages a client may send per second. Default: no limit, for only the host knows what is too many. A faster client is not refused: after
    /// a burst of one second's worth its messages wait until their time has come, so TCP slows it down. Nothing is lost.
    /// </summary>
    public int? MaxMessagesPerSecond { get; set; }

    /// <summary>
    /// How many bytes a client may send per second: frames as they are on the wire, and what compressed messages inflate to. Default: no limit. It works like
    /// <see cref="MaxMessagesPerSecond"/>.
    /// </summary>
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>What happens to a client when a handler throws for it. Default: <see cref="HandlerExceptionPolicy.CloseClient"/>. The exception is logged in any case.</summary>
    public HandlerExceptionPolicy HandlerExceptions { get; set; } = HandlerExceptionPolicy.CloseClient;

    /// <summary>After what time a handler that still runs is logged as slow, once. Default: 5 s. Until a handler ends, or calls <c>ContinueReceiving</c>, its client's next message
    /// waits.</summary>
    public TimeSpan SlowHandlerThreshold { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Where handlers run: set it to <see cref="SynchronizationContext.Current"/> on the thread of a WPF, WinForms or Avalonia window to touch controls in handlers.
    /// Default: null, the thread pool, which is many times faster.
    /// </summary>
    /// <remarks>
    /// <para>
    /// While that thread is busy, events wait for it, for as long as it takes. None is lost, those of one client keep their order, and
    /// <see cref="WebSocketServer.ClientDisconnected"/> comes exactly once. A client that leaves meanwhile is out of <see cref="WebSocketServer.Clients"/> before its events have
    /// been raised.
    /// </para>
    /// <para>
    /// Await <see cref="WebSocketServer.StopAsync(CancellationToken)"/> on that thread, and do not block it: put the closing of a window off until the server has stopped. While the thread is
    /// blocked, events wait, and so does an async handler that has begun; the stop waits for the latter until <see cref="StopTimeout"/>.
    /// </para>
    /// <para>
    /// A context that refuses what is posted to it, or drops it without a word, as that of a closed window may do: then the handlers run on the thread pool. A refusal counts as an
    /// exception of a handler; that something was dropped is found out when the garbage collector runs.
    /// </para>
    /// </remarks>
    public SynchronizationContext? EventContext { get; set; }

    /// <summary>How many connections the system may hold for the server before it accepts them. Default: 512. The system may lower it.</summary>
    public int Backlog { get; set; } = 512;

    // Not public for the same reason as EndPoints.
    internal TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    internal bool HasMaxClients => _maxClients is not null;

    // The shortest time that is waited for decides how often the server looks. What a peer does while a handler runs is seen at the second beat, within a second.
    internal TimeSpan HeartbeatInterval
    {
        get
        {
            TimeSpan interval = TimeSpan.FromSeconds(0.5);
            foreach (TimeSpan time in (ReadOnlySpan<TimeSpan>)[HandshakeTimeout, PingInterval, PingTimeout, CloseTimeout, SlowHandlerThreshold])
            {
                if (time != Timeout.InfiniteTimeSpan && time / 4 < interval)
                    interval = time / 4;
            }

            return interval < TimeSpan.FromMilliseconds(10) ? TimeSpan.FromMilliseconds(10) : interval;
        }
    }

    /// <summary>Listens on this text too: it is added to <see cref="Urls"/>, where the spellings are.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">The text names no place to listen; the message tells the right spelling.</exception>
    public WebSocketServerOptions Listen(string url)
    {
        if (ListenAddress.Validate(url) is { } problem)
            throw new ArgumentException(problem, nameof(url));
        Urls = [.. Urls, url];
        return this;
    }

    /// <summary>Listens on this end point too.</summary>
    /// <param name="endPoint">
    /// An <see cref="IPEndPoint"/>, or a <see cref="System.Net.Sockets.UnixDomainSocketEndPoint"/>. <see cref="IPAddress.IPv6Any"/> takes IPv4 clients too, so
    /// <see cref="IPAddress.Any"/> with the same port cannot stand beside it. Port 0 lets the system choose.
    /// </param>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">It is an end point of another kind.</exception>
    public WebSocketServerOptions Listen(EndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        if (endPoint is not (IPEndPoint or UnixDomainSocketEndPoint))
            throw new ArgumentException(
                $"The server cannot listen on a {endPoint.GetType().Name}. Use an IPEndPoint, a UnixDomainSocketEndPoint, or a text such as \"http://localhost:8080\".",
                nameof(endPoint));
        EndPoints = [.. EndPoints, endPoint];
        return this;
    }

    /// <summary>Takes the time from this provider instead of <see cref="TimeProvider.System"/>: for tests.</summary>
    /// <returns>These options.</returns>
    public WebSocketServerOptions UseTimeProvider(TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(timeProvider);
        TimeProvider = timeProvider;
        return this;
    }

    /// <summary>Checks all values, as the server's constructor and its start do.</summary>
    /// <exception cref="ArgumentException">An option has an impossible value; the message names it and tells what is possible.</exception>
    public void Validate()
    {
        CheckList(Urls);
        CheckList(Subprotocols);
        CheckList(AllowedOrigins);
        CheckList(AllowedHosts);
        foreach (string url in Urls)
        {
            if (ListenAddress.Validate(url) is { } problem)
                throw new ArgumentException($"{Name(nameof(Urls))}: {problem}");
        }

        foreach (string subprotocol in Subprotocols)
        {
            if (!HeaderTokens.IsToken(subprotocol))
                throw new ArgumentException($"{Name(nameof(Subprotocols))}: \"{subprotocol}\" is no subprotocol name: use letters, digits and !#$%&'*+-.^_`|~ only.");
        }

        if (AllowedOrigins.Contains(null!))
            throw new ArgumentException($"{Name(nameof(AllowedOrigins))} has an entry that is null. Pages from files have the origin \"null\", in quotes.");
        foreach (string origin in AllowedOrigins)
        {
            if (OriginRules.Validate(origin) is { } problem)
                throw new ArgumentException($"{Name(nameof(AllowedOrigins))}: {problem}");
        }

        if (AllowedHosts.Contains(null!))
            throw new ArgumentException($"{Name(nameof(AllowedHosts))} has an entry that is null.");
        foreach (string host in AllowedHosts)
        {
            if (HostRules.Validate(host) is { } problem)
                throw new ArgumentException($"{Name(nameof(AllowedHosts))}: {problem}");
        }

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
        Check(Backlog, 1, int.MaxValue);
        if (MaxMessagesPerSecond is { } messages)
            Check(messages, 1, int.MaxValue, nameof(MaxMessagesPerSecond));
        if (MaxBytesPerSecond is { } bytes)
            Check(bytes, 1, long.MaxValue, nameof(MaxBytesPerSecond));
        Check(HandshakeTimeout, mostHours: 1, mayBeInfinite: false);
        Check(PingInterval, mostHours: 12, mayBeInfinite: true);
        Check(PingTimeout, mostHours: 12, mayBeInfinite: true);
        Check(CloseTimeout, mostHours: 1, mayBeInfinite: false);
        Check(MaxCloseDuration, mostHours: 12, mayBeInfinite: false);
        Check(StopTimeout, mostHours: 12, mayBeInfinite: false);
        Check(SlowHandlerThreshold, mostHours: 12, mayBeInfinite: true);
        PerMessageDeflate?.Validate();
        if (!Enum.IsDefined(HandlerExceptions))
            throw new ArgumentException($"{Name(nameof(HandlerExceptions))} is {HandlerExceptions}, which is no policy.");
    }

    internal int EffectiveMaxConcurrentHandshakesPerRemoteAddress => MaxConcurrentHandshakesPerRemoteAddress ?? Math.Max(1, MaxConcurrentHandshakes / 2);

    // The collector knows of the limits of a container too.
    internal long EffectiveMaxBufferedBytes => MaxBufferedBytes ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4;

    internal ConnectionSettings ToConnectionSettings(MemoryBudget budget) => new()
    {
        Budget = budget,
        MaxMessageSize = MaxMessageSize,
        MaxFragmentsPerMessage = MaxFragmentsPerMessage,
        MaxRequestHeadSize = MaxRequestHeadSize,
        MaxHeaderLines = MaxHeaderLines,
        SendQueueLimit = SendQueueLimit,
        MaxMessagesPerSecond = MaxMessagesPerSecond,
        MaxBytesPerSecond = MaxBytesPerSecond,
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

    internal IEnumerable<ListenAddress> ToListenAddresses() =>
        [.. EndPoints.Select(endPoint => new ListenAddress(endPoint)), .. Urls.Select(ListenAddress.Parse)];

    private static string Name(string option) => $"{nameof(WebSocketServerOptions)}.{option}";

    private static void Check(long value, long least, long most, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (value < least || value > most)
            throw new ArgumentException($"{Name(option)} is {value}; it must be from {least} to {most}.");
    }

    private static void CheckList<T>(IList<T>? list, [CallerArgumentExpression(nameof(list))] string option = "")
    {
        if (list is null)
            throw new ArgumentException($"{Name(option)} is null. For an empty list set it to [].");
    }

    private static void Check(TimeSpan value, int mostHours, bool mayBeInfinite, [CallerArgumentExpression(nameof(value))] string option = "")
    {
        if (mayBeInfinite && value == Timeout.InfiniteTimeSpan)
            return;
        var most = TimeSpan.FromHours(mostHours);
        if (value > TimeSpan.Zero && value <= most)
            return;
        // A number alone is read as days, by TimeSpan.Parse and so by configurations.
        string spelling = value >= TimeSpan.FromDays(1) && value.Ticks % TimeSpan.TicksPerDay == 0
            ? $" In a configuration \"{value.Days}\" means {value.Days} days: write \"{TimeSpan.FromSeconds(value.Days)}\" for {value.Days} seconds."
            : "";
        throw new ArgumentException(
            $"{Name(option)} is {value}; it must be longer than zero and at most {most}{(mayBeInfinite ? ", or Timeout.InfiniteTimeSpan" : "")}.{spelling}");
    }
}
