using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>The socket options of one listener and of the connections that it accepts. Null leaves an option to the system. Immutable.</summary>
internal sealed record SocketSettings
{
    public static readonly SocketSettings Default = new();

    private const int Tcp = 6; // IPPROTO_TCP

    // SOL_SOCKET, SO_REUSEPORT: on Linux
    private const int SocketLevel = 1;
    private const int SharedPort = 15;

    private readonly byte[]? _unsentLimit = BitConverter.GetBytes(256 * 1024);

    /// <summary>The maximum number of connections that the system queues.</summary>
    public int Backlog { get; init; } = 512;

    public bool NoDelay { get; init; } = true;

    /// <summary>
    /// TCP_NOTSENT_LOWAT. Linux and macOS would otherwise buffer several MiB for a slow peer, and take more only when a third of that is gone. With the limit
    /// the bytes stay in the send queue: the system needs less memory, the peer's progress is visible in small steps, and a Close frame waits behind fewer
    /// bytes. Other systems have no such option.
    /// </summary>
    public int? UnsentLimit
    {
        init => _unsentLimit = value is { } limit ? BitConverter.GetBytes(limit) : null;
    }

    public int? SendBufferSize { get; init; }

    public int? ReceiveBufferSize { get; init; }

    public TimeSpan? TcpKeepAliveTime { get; init; }

    public TimeSpan? TcpKeepAliveInterval { get; init; }

    public int? TcpKeepAliveRetryCount { get; init; }

    public bool DualMode { get; init; } = true;

    public bool ExclusiveAddressUse { get; init; }

    /// <summary>SO_REUSEPORT, on Linux.</summary>
    public bool ReusePort { get; init; }

    public UnixFileMode? FileMode { get; init; }

    /// <summary>Sets the options of an accepted socket.</summary>
    /// <exception cref="SocketException">The connection has ended.</exception>
    public void ApplyTo(Socket socket)
    {
        // Synchronous writes must not block when the system's buffer is full.
        socket.Blocking = false;
        if (SendBufferSize is { } send)
            socket.SendBufferSize = send;
        if (socket.ProtocolType != ProtocolType.Tcp)
            return;
        socket.NoDelay = NoDelay;
        int unsentLimit = OperatingSystem.IsLinux() ? 25 : OperatingSystem.IsMacOS() ? 0x201 : 0;
        if (_unsentLimit is not null && unsentLimit != 0)
            socket.SetRawSocketOption(Tcp, unsentLimit, _unsentLimit);
        if (TcpKeepAliveTime is { } time)
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, optionValue: true);
            Set(SocketOptionName.TcpKeepAliveTime, (int)time.TotalSeconds);
            Set(SocketOptionName.TcpKeepAliveInterval, (int?)TcpKeepAliveInterval?.TotalSeconds);
            Set(SocketOptionName.TcpKeepAliveRetryCount, TcpKeepAliveRetryCount);
        }

        void Set(SocketOptionName name, int? value)
        {
            if (value is { } number)
                socket.SetSocketOption(SocketOptionLevel.Tcp, name, number);
        }
    }

    /// <summary>Sets the options of a socket that is going to listen, before it is bound.</summary>
    public void ApplyToListener(Socket listener)
    {
        if (listener.AddressFamily == AddressFamily.InterNetworkV6)
            listener.DualMode = DualMode;
        if (ExclusiveAddressUse && listener.AddressFamily != AddressFamily.Unix)
            listener.ExclusiveAddressUse = true;
        if (ReusePort && listener.AddressFamily != AddressFamily.Unix)
            listener.SetRawSocketOption(SocketLevel, SharedPort, BitConverter.GetBytes(1));
        // TCP announces the size of its window when the connection is made, so accepted sockets inherit this one.
        if (ReceiveBufferSize is { } receive)
            listener.ReceiveBufferSize = receive;
    }
}
