using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// An accepted socket of Linux: the system calls of <see cref="EventLoopConnection"/>. No call blocks. A <see cref="Socket"/> would cost each idle client 400 bytes, and each accept several more
/// system calls, for what an event loop does itself.
/// </summary>
/// <remarks>Thread-safe. After <see cref="SafeHandle.Dispose()"/> all calls throw <see cref="ObjectDisposedException"/>.</remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe partial class LinuxSocket : SafeHandle
{
    /// <summary>The most bytes of an address: struct sockaddr_un.</summary>
    public const int MaxAddressSize = 110;

    private const int CloseOnExec = 0x80000;  // SOCK_CLOEXEC
    private const int NonBlocking = 0x800;    // SOCK_NONBLOCK
    private const int NoSignal = 0x4000;      // MSG_NOSIGNAL
    private const int Peek = 0x2;             // MSG_PEEK
    private const int SocketLevel = 1;        // SOL_SOCKET
    private const int LingerTime = 13;        // SO_LINGER
    private const int SendBuffer = 7;         // SO_SNDBUF
    private const int ShutSend = 1;           // SHUT_WR
    private const int Interrupted = 4;        // EINTR

    private LinuxSocket(int file)
        : base(-1, ownsHandle: true) => SetHandle(file);

    public override bool IsInvalid => handle == -1;

    /// <summary>Whether there are unread bytes. False when it has ended or is closed.</summary>
    public bool HasUnread
    {
        get
        {
            try
            {
                byte next;
                return Receive(this, &next, 1, Peek) > 0;
            }
            catch (ObjectDisposedException)
            {
                return false;
            }
        }
    }

    /// <summary>Accepts the next connection of a socket that listens and does not block.</summary>
    /// <param name="listener">The listening socket.</param>
    /// <param name="address">Gets the peer's address: a struct sockaddr of <see cref="MaxAddressSize"/> bytes at most.</param>
    /// <param name="addressSize">The size of that.</param>
    /// <returns>Null if no connection waits.</returns>
    /// <exception cref="SocketException">It cannot be accepted.</exception>
    public static LinuxSocket? TryAccept(SafeHandle listener, Span<byte> address, out int addressSize)
    {
        while (true)
        {
            int size = address.Length;
            int file;
            fixed (byte* bytes = address)
                file = Accept(listener, bytes, &size, CloseOnExec | NonBlocking);
            addressSize = Math.Min(size, address.Length); // Linux puts a zero behind the longest path, and counts it
            if (file >= 0)
                return new LinuxSocket(file);
            SocketError error = LastError();
            if (error == SocketError.WouldBlock)
                return null;
            if (error != SocketError.Interrupted)
                throw new SocketException((int)error);
        }
    }

    /// <summary>Reads the address of this end: see <see cref="TryAccept"/>.</summary>
    /// <returns>Its size; 0 if it has none any more.</returns>
    public int GetLocalAddress(Span<byte> address)
    {
        int size = address.Length;
        fixed (byte* bytes = address)
            return GetName(this, bytes, &size) < 0 ? 0 : Math.Min(size, address.Length);
    }

    /// <returns>The number of bytes; 0 at the end of the input and after an error.</returns>
    public int Receive(Span<byte> room, out SocketError error)
    {
        while (true)
        {
            nint count;
            fixed (byte* bytes = room)
                count = Receive(this, bytes, (nuint)room.Length, 0);
            if (!IsInterrupted(count, out error))
                return (int)Math.Max(count, 0);
        }
    }

    /// <returns>The number of bytes that the system has taken; 0 after an error.</returns>
    public int Send(ReadOnlySpan<byte> bytes, out SocketError error)
    {
        while (true)
        {
            nint count;
            fixed (byte* first = bytes)
                count = Send(this, first, (nuint)bytes.Length, NoSignal);
            if (!IsInterrupted(count, out error))
                return (int)Math.Max(count, 0);
        }
    }

    /// <summary>Sends a FIN. An error means that the connection is lost, and is found by reading.</summary>
    public void ShutdownSend() => _ = Shutdown(this, ShutSend);

    /// <summary>Sets the size of the system's send buffer.</summary>
    public void SetSendBuffer(int size) => _ = SetOption(this, SocketLevel, SendBuffer, &size, sizeof(int));

    /// <summary>Lets the close reset the connection.</summary>
    public void ResetOnClose()
    {
        int* onWithoutDelay = stackalloc int[] { 1, 0 }; // struct linger
        _ = SetOption(this, SocketLevel, LingerTime, onWithoutDelay, 2 * sizeof(int));
    }

    /// <summary>Reads a socket option. False if there is none of this size.</summary>
    public bool TryGetOption(int level, int name, Span<byte> value)
    {
        int size = value.Length;
        fixed (byte* bytes = value)
            return GetOption(this, level, name, bytes, &size) == 0 && size == value.Length;
    }

    /// <summary>The state of the TCP connection. False if it is none, or closed.</summary>
    public bool TryGetTcpInfo(out TcpInfo info)
    {
        Span<byte> bytes = stackalloc byte[TcpInfo.Size];
        try
        {
            bool isKnown = TryGetOption(TcpInfo.Level, TcpInfo.Option, bytes);
            info = isKnown ? TcpInfo.Read(bytes) : default;
            return isKnown;
        }
        catch (ObjectDisposedException)
        {
            info = default;
            return false;
        }
    }

    protected override bool ReleaseHandle() => Close((int)handle) == 0;

    private static bool IsInterrupted(nint result, out SocketError error)
    {
        error = result >= 0 ? SocketError.Success : LastError();
        return error == SocketError.Interrupted;
    }

    // errno(3) of accept(2), recv(2) and send(2).
    private static SocketError LastError() => Marshal.GetLastPInvokeError() switch
    {
        1 => SocketError.AccessDenied,
        Interrupted => SocketError.Interrupted,
        11 => SocketError.WouldBlock,
        12 or 105 => SocketError.NoBufferSpaceAvailable,
        23 or 24 => SocketError.TooManyOpenSockets,
        32 => SocketError.Shutdown,
        64 or 100 => SocketError.NetworkDown,
        71 or 92 => SocketError.ProtocolOption,
        95 => SocketError.OperationNotSupported,
        101 => SocketError.NetworkUnreachable,
        103 => SocketError.ConnectionAborted,
        104 => SocketError.ConnectionReset,
        107 => SocketError.NotConnected,
        110 => SocketError.TimedOut,
        111 => SocketError.ConnectionRefused,
        112 => SocketError.HostDown,
        113 => SocketError.HostUnreachable,
        _ => SocketError.SocketError,
    };

    [LibraryImport("libc", EntryPoint = "accept4", SetLastError = true)]
    private static partial int Accept(SafeHandle listener, byte* address, int* addressSize, int flags);

    [LibraryImport("libc", EntryPoint = "getsockname")]
    private static partial int GetName(LinuxSocket socket, byte* address, int* addressSize);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(LinuxSocket socket, byte* bytes, nuint count, int flags);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(LinuxSocket socket, byte* bytes, nuint count, int flags);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    private static partial int Shutdown(LinuxSocket socket, int how);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetOption(LinuxSocket socket, int level, int name, void* value, int size);

    [LibraryImport("libc", EntryPoint = "getsockopt")]
    private static partial int GetOption(LinuxSocket socket, int level, int name, byte* value, int* size);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
