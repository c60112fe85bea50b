using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>What the system tells of a socket: epoll_ctl(2).</summary>
[Flags]
internal enum PollEvents : uint
{
    None = 0,
    Readable = 0x1,         // EPOLLIN
    Writable = 0x4,         // EPOLLOUT
    Error = 0x8,            // EPOLLERR
    HungUp = 0x10,          // EPOLLHUP
    PeerEnded = 0x2000,     // EPOLLRDHUP
    EdgeTriggered = 1u << 31, // EPOLLET
}

/// <summary>An epoll instance of Linux and the events of its last wait: epoll(7). One thread waits at a time; any thread may add sockets, and call <see cref="Wake"/>.</summary>
/// <remarks>A socket leaves it when it is closed, unless another process has it too: then <see cref="Forget"/> it before.</remarks>
[SupportedOSPlatform("linux")]
[SuppressMessage("Design", "CA1001", Justification = "Close disposes of them, on the thread that waits.")]
internal sealed unsafe partial class Epoll
{
    /// <summary>The key of the event that <see cref="Wake"/> causes.</summary>
    public const long WakeKey = -1;

    private const int MaxEvents = 256;
    private const int CloseOnExec = 0x80000; // EPOLL_CLOEXEC, EFD_CLOEXEC
    private const int NonBlocking = 0x800;   // EFD_NONBLOCK
    private const int Add = 1;               // EPOLL_CTL_ADD
    private const int Delete = 2;            // EPOLL_CTL_DEL
    private const int Modify = 3;            // EPOLL_CTL_MOD
    private const int Interrupted = 4;       // EINTR

    // struct epoll_event is packed on x86 only.
    private static readonly int KeyAt = RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 ? 4 : 8;
    private static readonly int EventSize = KeyAt + sizeof(long);

    private readonly SafeFileHandle _epoll;
    private readonly SafeFileHandle _wake;
    private readonly byte* _events = (byte*)NativeMemory.Alloc((nuint)(MaxEvents * EventSize));

    /// <exception cref="IOException">The process may open no more files.</exception>
    public Epoll()
    {
        _epoll = new SafeFileHandle(EpollCreate(CloseOnExec), ownsHandle: true);
        _wake = new SafeFileHandle(_epoll.IsInvalid ? -1 : EventFd(0, CloseOnExec | NonBlocking), ownsHandle: true);
        if (_wake.IsInvalid || EpollControl(_epoll, Add, (int)_wake.DangerousGetHandle(), PollEvents.Readable, WakeKey) < 0)
        {
            IOException failure = Failure();
            Close();
            throw failure;
        }
    }

    /// <summary>The events of the last <see cref="Wait"/>.</summary>
    public (PollEvents Events, long Key) this[int index]
    {
        get
        {
            byte* found = _events + (index * EventSize);
            return (*(PollEvents*)found, *(long*)(found + KeyAt));
        }
    }

    /// <summary>Adds a socket. Its events are told once each time they come about (edge-triggered).</summary>
    /// <exception cref="IOException">The system has no memory, or the user's limit of watched files is reached.</exception>
    public void Watch(SafeHandle socket, long key) => Control(Add, socket, key);

    /// <summary>Tells the events of a socket that it has at present once more.</summary>
    /// <exception cref="IOException">The system has no memory.</exception>
    public void Rearm(SafeHandle socket, long key) => Control(Modify, socket, key);

    /// <summary>Tells no more events of a socket. Does nothing if it is closed or was not added.</summary>
    public void Forget(SafeHandle socket)
    {
        try
        {
            Control(Delete, socket, WakeKey);
        }
        catch (Exception gone) when (gone is IOException or ObjectDisposedException)
        {
            // It has no events.
        }
    }

    private void Control(int operation, SafeHandle socket, long key)
    {
        bool isReferenced = false;
        try
        {
            socket.DangerousAddRef(ref isReferenced);
            const PollEvents All = PollEvents.Readable | PollEvents.Writable | PollEvents.PeerEnded | PollEvents.EdgeTriggered;
            if (EpollControl(_epoll, operation, (int)socket.DangerousGetHandle(), All, key) < 0)
                throw Failure();
        }
        finally
        {
            if (isReferenced)
                socket.DangerousRelease();
        }
    }

    /// <summary>Waits for events, without a time limit.</summary>
    /// <returns>Their number.</returns>
    public int Wait()
    {
        while (true)
        {
            int count = EpollWait(_epoll, _events, MaxEvents, -1);
            if (count >= 0)
                return count;
            if (Marshal.GetLastPInvokeError() != Interrupted)
                throw Failure();
        }
    }

    /// <summary>Ends a wait. Does nothing after <see cref="Close"/>.</summary>
    public void Wake()
    {
        long one = 1;
        try
        {
            _ = Write(_wake, &one, sizeof(long));
        }
        catch (ObjectDisposedException)
        {
            // Nobody waits.
        }
    }

    /// <summary>Ends it. Call it once, while nobody waits. Other calls then throw <see cref="ObjectDisposedException"/>.</summary>
    public void Close()
    {
        _epoll.Dispose();
        _wake.Dispose();
        NativeMemory.Free(_events);
    }

    private static IOException Failure()
    {
        var error = new Win32Exception(Marshal.GetLastPInvokeError());
        return new IOException($"The event loop cannot watch sockets: {error.Message}.", error);
    }

    private static int EpollControl(SafeFileHandle epoll, int operation, int file, PollEvents events, long key)
    {
        byte* change = stackalloc byte[16];
        *(PollEvents*)change = events;
        *(long*)(change + KeyAt) = key;
        return EpollControl(epoll, operation, file, change);
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int EpollControl(SafeFileHandle epoll, int operation, int file, byte* change);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int EpollWait(SafeFileHandle epoll, byte* events, int maxEvents, int timeout);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(SafeFileHandle file, long* bytes, nuint count);
}
