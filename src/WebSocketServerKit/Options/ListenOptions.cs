using System.Runtime.CompilerServices;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit;

/// <summary>The options of one place to listen: TLS, a proxy in front, the sockets. The defaults suit most servers. Not thread-safe; read when the server begins to listen.</summary>
public sealed class ListenOptions
{
    /// <summary>
    /// How clients speak TLS. Default: null, they do not. For a URL its scheme decides: <c>https</c> needs it (here or in <see cref="WebSocketServerOptions.ListenDefaults"/>), <c>http</c> does
    /// without.
    /// </summary>
    public TlsOptions? Tls { get; set; }

    /// <summary>
    /// Whether each connection begins with a header of the PROXY protocol, version 1 or 2, in which a proxy says who the client is; with TLS, before the TLS handshake. Default: false. The header
    /// is believed only from <see cref="WebSocketServerOptions.TrustedProxies"/>. Other connections, and those without a header, are ended.
    /// </summary>
    public bool ProxyProtocol { get; set; }

    /// <summary>The maximum number of connections that the system queues until the server accepts them. Default: 512. The system may lower it (Linux: <c>net.core.somaxconn</c>).</summary>
    public int Backlog { get; set; } = 512;

    /// <summary>Whether data is sent at once (TCP_NODELAY). Default: true. The server bundles messages itself, so waiting for more would only delay the last one.</summary>
    public bool NoDelay { get; set; } = true;

    /// <summary>
    /// The bytes that the system buffers for a client and has not sent yet (TCP_NOTSENT_LOWAT; Linux and macOS). Default: 256 KiB. With more of them, pending messages wait in the server's
    /// memory, where limits count them and <see cref="WebSocketClient.UnsentBytes"/> shows them. Null: the system buffers several MiB for a slow client.
    /// </summary>
    public int? UnsentLimit { get; set; } = 256 * 1024;

    /// <summary>The size of the system's buffer for bytes to send, per client (SO_SNDBUF). Default: null; the system chooses and adapts it to the connection, which is faster than any fixed size.</summary>
    public int? SendBufferSize { get; set; }

    /// <summary>The size of the system's buffer for received bytes, per client (SO_RCVBUF). Default: null; the system chooses and adapts it to the connection.</summary>
    public int? ReceiveBufferSize { get; set; }

    /// <summary>
    /// The silence after which the system probes a client (TCP keep-alive). Default: null, never: the server's pings find a lost client too (<see cref="WebSocketServerOptions.PingInterval"/>).
    /// Probes cost the client's program nothing, and do not keep the connection open at proxies. From 1 s to 9 hours, in whole seconds: fractions are cut off.
    /// </summary>
    public TimeSpan? TcpKeepAliveTime { get; set; }

    /// <summary>The time between two probes that were not answered. Default: null, that of the system. Needs <see cref="TcpKeepAliveTime"/>. From 1 s to 9 hours, in whole seconds.</summary>
    public TimeSpan? TcpKeepAliveInterval { get; set; }

    /// <summary>The number of probes that may stay without answer, from 1 to 127. Default: null, that of the system. Needs <see cref="TcpKeepAliveTime"/>.</summary>
    public int? TcpKeepAliveRetryCount { get; set; }

    /// <summary>Whether an IPv6 end point takes IPv4 clients too, where it can: <c>[::]</c>, and mapped addresses such as <c>::ffff:127.0.0.1</c>. Default: true.</summary>
    public bool DualMode { get; set; } = true;

    /// <summary>Whether no other program may listen on the same address and port. Default: true on Windows. Elsewhere false, which permits a port with connections that are not quite over.</summary>
    public bool ExclusiveAddressUse { get; set; } = OperatingSystem.IsWindows();

    /// <summary>
    /// Whether other listeners of the same user, of other programs too, may share the address and port (SO_REUSEPORT): the new program of a restart listens before the old one stops. Default:
    /// false. Linux only; not for Unix domain sockets.
    /// </summary>
    /// <remarks>
    /// All of them have to set it. The system gives each new connection to one of them, at random; the connections of a server are spread over its event loops without it. What waits in the system for a
    /// listener that closes is reset, unless <c>net.ipv4.tcp_migrate_req</c> is 1 (Linux 5.14).
    /// </remarks>
    public bool ReusePort { get; set; }

    /// <summary>
    /// The permissions of the file of a Unix domain socket: who may write may connect. Default: null, those that the process gives its files (its umask). Not on Windows.
    /// </summary>
    public UnixFileMode? SocketFileMode { get; set; }

    /// <summary>Options with TLS, and defaults for the rest.</summary>
    /// <param name="tls">How clients speak TLS.</param>
    public static implicit operator ListenOptions(TlsOptions tls) => new() { Tls = tls };

    /// <summary>Says what is wrong with the options, as the rest of a sentence that begins with their name; or null. Does not access files.</summary>
    internal string? Check() =>
        Tls?.Check() is { } problem ? $".Tls is not complete: {problem}"
        : Range(Backlog, 1, int.MaxValue)
        ?? Range(UnsentLimit, 1, int.MaxValue)
        ?? Range(SendBufferSize, 1, int.MaxValue)
        ?? Range(ReceiveBufferSize, 1, int.MaxValue)
        ?? Range(TcpKeepAliveRetryCount, 1, 127)
        ?? Seconds(TcpKeepAliveTime)
        ?? Seconds(TcpKeepAliveInterval)
        ?? (TcpKeepAliveTime is null && (TcpKeepAliveInterval is not null || TcpKeepAliveRetryCount is not null)
            ? $".{nameof(TcpKeepAliveTime)} is null, so the other options of TCP keep-alive have no effect. Set it too." : null)
        ?? (!ReusePort ? null
            : !OperatingSystem.IsLinux() ? $".{nameof(ReusePort)} is true, which needs Linux. Leave it out, and give each server a port of its own."
            : ExclusiveAddressUse ? $".{nameof(ReusePort)} lets others listen on the same port, and .{nameof(ExclusiveAddressUse)} forbids it. Choose one."
            : null);

    internal SocketSettings ToSocketSettings() => new()
    {
        Backlog = Backlog,
        NoDelay = NoDelay,
        UnsentLimit = UnsentLimit,
        SendBufferSize = SendBufferSize,
        ReceiveBufferSize = ReceiveBufferSize,
        TcpKeepAliveTime = TcpKeepAliveTime,
        TcpKeepAliveInterval = TcpKeepAliveInterval,
        TcpKeepAliveRetryCount = TcpKeepAliveRetryCount,
        DualMode = DualMode,
        ExclusiveAddressUse = ExclusiveAddressUse,
        ReusePort = ReusePort,
        FileMode = SocketFileMode,
    };

    private static string? Range(int? value, int least, int most, [CallerArgumentExpression(nameof(value))] string option = "") =>
        value is { } number && (number < least || number > most) ? $".{option} is {number}; it must be from {least} to {most}." : null;

    private static string? Seconds(TimeSpan? value, [CallerArgumentExpression(nameof(value))] string option = "") =>
        value is { } time && (time < TimeSpan.FromSeconds(1) || time > TimeSpan.FromHours(9)) ? $".{option} is {time}; it must be from 1 s to 9 h." : null;
}
