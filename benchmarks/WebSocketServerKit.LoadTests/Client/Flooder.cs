using System.Net.Sockets;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>A client that sends one message again and again, as fast as the server takes it. What comes back it reads and drops.</summary>
internal sealed class Flooder : IReady, IDisposable
{
    // What one send call takes at most, so that others who share the thread soon have their turn.
    private const int BatchSize = 16 * 1024;

    private readonly byte[] _dropped = new byte[4 * 1024];
    private readonly Socket _socket;
    private readonly Epoll _epoll;
    private readonly int _key;
    private readonly ReadOnlyMemory<byte> _frames;
    private int _sent; // of the frames, this time round

    /// <summary>Connects, and is silent.</summary>
    public Flooder(int port, string path, Epoll epoll, Message message)
    {
        _socket = Handshake.Open(port, path);
        // The system's own growing buffers would take in gigabytes from many of them.
        _socket.SendBufferSize = 4 * BatchSize;
        _frames = message.Frames(message.MaxBatch);
        _epoll = epoll;
        _key = epoll.Register(this);
        epoll.Watch(_socket, _key);
    }

    /// <summary>Whether the server has ended the connection.</summary>
    public bool IsCut { get; private set; }

    public static Message Message(int size) => new(size, text: false, atOnce: Math.Max(1, BatchSize / (size + 6)));

    public void Begin() => _epoll.Watch(_socket, _key, writing: true);

    public void OnReady(bool readable, bool writable)
    {
        if (readable && _socket.Receive(_dropped, SocketFlags.None, out SocketError error) == 0 && error != SocketError.WouldBlock)
        {
            IsCut = true;
            Dispose();
        }
        else if (writable)
        {
            // Errors are found by reading.
            _sent = (_sent + _socket.Send(_frames.Span[_sent..], SocketFlags.None, out _)) % _frames.Length;
        }
    }

    public void Dispose() => _socket.Dispose();
}
