using System.Diagnostics;
using System.Net.Sockets;
using HdrHistogram;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>One client of a load: sends as many messages as it is told, and tells when messages have come.</summary>
internal sealed class LoadConnection : IReady, IDisposable
{
    // The connections of a thread take turns, so one buffer does for all of them.
    [ThreadStatic]
    private static byte[]? _buffer;

    private readonly ClientTransport _transport;
    private readonly Epoll _epoll;
    private readonly int _key;
    private readonly Dialogue _dialogue;
    private readonly Action<LoadConnection, int> _received;
    private readonly Queue<(long At, int Count)> _underWay = new(); // batches and when they were sent
    private (long At, int Count) _oldest; // what has not come back of the oldest batch
    private ReadOnlyMemory<byte> _rest; // of a batch that was sent in part
    private int _owed;
    private bool _awaitsRoom;

    /// <param name="transport">Behind the handshake.</param>
    /// <param name="epoll">Tells when there is something to do.</param>
    /// <param name="dialogue">What to send, and what to expect.</param>
    /// <param name="received">Called with each read that ended messages.</param>
    public LoadConnection(ClientTransport transport, Epoll epoll, Dialogue dialogue, Action<LoadConnection, int> received)
    {
        _transport = transport;
        _epoll = epoll;
        _dialogue = dialogue;
        _received = received;
        _key = epoll.Register(this);
        epoll.Watch(_transport.Socket, _key);
    }

    /// <summary>Connects and exchanges one message again and again.</summary>
    public LoadConnection(ServerProcess server, Epoll epoll, Message message, Action<LoadConnection, int> received, int node = 0)
        : this(Handshake.Open(server, node), epoll, server.Contender.PutsSeveralIntoOne ? new Records(message) : new Repetition(message), received)
    {
    }

    public void Send(int count)
    {
        _owed += count;
        Push();
    }

    /// <summary>Takes note that the oldest messages under way have come back.</summary>
    public void RecordLatency(int count, LongHistogram latency)
    {
        long now = Stopwatch.GetTimestamp();
        while (count > 0)
        {
            if (_oldest.Count == 0)
                _oldest = _underWay.Dequeue();
            int came = Math.Min(_oldest.Count, count);
            latency.RecordValueWithCount((long)Stopwatch.GetElapsedTime(_oldest.At, now).TotalNanoseconds, came);
            _oldest.Count -= came;
            count -= came;
        }
    }

    public void OnReady(bool readable, bool writable)
    {
        if (readable)
            Receive();
        if (writable)
            Push();
    }

    public void Dispose() => _transport.Dispose();

    private void Receive()
    {
        byte[] buffer = _buffer ??= new byte[256 * 1024];
        int messages = 0;
        int count;
        do
        {
            count = _transport.Receive(buffer, out SocketError error);
            if (error == SocketError.WouldBlock)
                break;
            if (count == 0)
                throw new IOException($"The server ended the connection ({error}).");
            messages += _dialogue.Read(buffer.AsSpan(0, count));
        }
        while (count == buffer.Length);

        if (messages > 0)
            _received(this, messages);
    }

    private void Push()
    {
        _transport.Flush();
        while (_owed > 0 || !_rest.IsEmpty)
        {
            if (_rest.IsEmpty)
            {
                int count = Math.Min(_owed, _dialogue.MaxBatch);
                _owed -= count;
                _rest = _dialogue.Frames(count);
                _underWay.Enqueue((Stopwatch.GetTimestamp(), count));
            }

            int sent = _transport.Send(_rest.Span, out SocketError error);
            if (error == SocketError.WouldBlock)
                break;
            if (error != SocketError.Success)
                throw new IOException($"The server took no more ({error}).");
            _rest = _rest[sent..];
        }

        bool awaitsRoom = !_rest.IsEmpty || _transport.AwaitsRoom;
        if (awaitsRoom != _awaitsRoom)
            _epoll.Watch(_transport.Socket, _key, writing: _awaitsRoom = awaitsRoom);
    }
}
