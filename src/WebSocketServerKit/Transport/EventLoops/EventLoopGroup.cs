using System.Buffers;
using System.Net.Sockets;
using System.Runtime.Versioning;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>The event loops of one server.</summary>
[SupportedOSPlatform("linux")]
internal sealed class EventLoopGroup
{
    private readonly EventLoop[] _loops;

    /// <summary>Starts so many loops.</summary>
    /// <param name="count">Their number.</param>
    /// <param name="pool">The pool for the buffers of connections.</param>
    /// <param name="clock">Tells how long a handler runs.</param>
    /// <param name="blocked">Told of a connection whose handler blocks its thread for 100 ms and more. On the thread pool.</param>
    /// <param name="start">Starts the threads; null for <see cref="Thread.UnsafeStart()"/>.</param>
    /// <exception cref="IOException">The system has no descriptors left.</exception>
    /// <exception cref="OutOfMemoryException">The system has no threads left.</exception>
    public EventLoopGroup(int count, ArrayPool<byte> pool, SliceClock clock, Action<TransportConnection>? blocked = null, Action<Thread>? start = null)
    {
        _loops = new EventLoop[count];
        try
        {
            for (int i = 0; i < count; i++)
                _loops[i] = new EventLoop(pool, clock, $"WebSocket loop {i}", blocked, start); // Linux takes 15 characters
        }
        catch
        {
            Stop();
            throw;
        }
    }

    /// <summary>The numbers of connections of the loops. A snapshot.</summary>
    public IEnumerable<int> Counts => _loops.Select(loop => loop.Count);

    /// <summary>The longest turn of a loop since the last call, in steps of 4 ms; a blocked one counts until it was taken over.</summary>
    public TimeSpan TakeLongestTurn() => _loops.Max(loop => loop.TakeLongestTurn()) * SliceClock.Tick;

    /// <summary>The loop with the fewest connections.</summary>
    public EventLoop WithFewest
    {
        get
        {
            EventLoop fewest = _loops[0];
            foreach (EventLoop other in _loops)
                if (other.Count < fewest.Count)
                    fewest = other;
            return fewest;
        }
    }

    /// <summary>Begins to accept for a listener, which stays its owner's. The connections go to the loops.</summary>
    /// <exception cref="IOException">The system cannot watch more sockets.</exception>
    public AcceptNext AcceptFrom(Socket listener, SocketSettings settings, CancellationToken stopping)
    {
        EventLoopListener accepting = new(listener, settings, this, _loops[0], stopping);
        return _ => accepting.AcceptAsync();
    }

    /// <summary>Stops the loops. Called when all connections are closed; further calls do nothing.</summary>
    public void Stop()
    {
        foreach (EventLoop? loop in _loops)
            loop?.Stop();
    }
}
