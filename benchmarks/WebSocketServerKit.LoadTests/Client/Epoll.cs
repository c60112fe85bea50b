using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>What wants to know when its socket can be read or written.</summary>
internal interface IReady
{
    void OnReady(bool readable, bool writable);
}

/// <summary>One thread waits for many sockets, which costs it less than the server's work on the same messages. Linux only.</summary>
internal sealed partial class Epoll : IDisposable
{
    private const int Add = 1, Modify = 3;
    private const uint In = 0x1, Out = 0x4;
    private const int MaxEvents = 512;

    // struct epoll_event { uint32_t events; uint64_t data; }, packed on x64 alone.
    private static readonly int DataAt = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;
    private static readonly int EventSize = DataAt + sizeof(ulong);

    private readonly int _handle = Check(Create(0));
    private readonly List<IReady> _watched = [];
    private readonly byte[] _events = new byte[MaxEvents * EventSize];

    /// <summary>Gives a key under which sockets of this one can be watched, one after the other.</summary>
    public int Register(IReady ready)
    {
        _watched.Add(ready);
        return _watched.Count - 1;
    }

    /// <summary>Watches a socket until it is closed; for reading always.</summary>
    public void Watch(Socket socket, int key) => Control(Add, socket, key, writing: false);

    public void Watch(Socket socket, int key, bool writing) => Control(Modify, socket, key, writing);

    /// <summary>Waits until something is ready, but not for long, and has it done.</summary>
    public void Pump(int milliseconds = 100)
    {
        int count = Wait(_handle, ref _events[0], MaxEvents, milliseconds);
        for (int i = 0; i < count; i++)
        {
            Span<byte> one = _events.AsSpan(i * EventSize, EventSize);
            uint events = MemoryMarshal.Read<uint>(one);
            // Errors are found by reading.
            _watched[MemoryMarshal.Read<int>(one[DataAt..])].OnReady((events & ~Out) != 0, (events & Out) != 0);
        }
    }

    public void Dispose() => _ = Close(_handle);

    private void Control(int operation, Socket socket, int key, bool writing)
    {
        Span<byte> one = stackalloc byte[EventSize];
        one.Clear();
        MemoryMarshal.Write(one, writing ? In | Out : In);
        MemoryMarshal.Write(one[DataAt..], key);
        Check(Control(_handle, operation, (int)socket.Handle, ref one[0]));
    }

    private static int Check(int result) => result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int Control(int epoll, int operation, int socket, ref byte data);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int Wait(int epoll, ref byte events, int maxEvents, int milliseconds);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int handle);
}
