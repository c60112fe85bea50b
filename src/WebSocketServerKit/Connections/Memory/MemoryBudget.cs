using System.Buffers;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Connections.Memory;

/// <summary>
/// Limits the memory that a server holds for all its clients together: incoming messages, send queues, read-ahead, compression. The other limits are per client.
/// <para>From three quarters of the limit on, the server does not read from the clients that hold the most. Above the limit it closes them with 1013, the
/// largest first. Thread-safe; <see cref="Relieve"/> runs on one thread at a time.</para>
/// </summary>
internal sealed class MemoryBudget
{
    /// <summary>The memory of a decompressor in bytes. It is not in the pool.</summary>
    public const int InflaterSize = 45 * 1024;

    /// <summary>The memory in bytes of a compressor that keeps its context for one client. It is not in the pool.</summary>
    public const int DeflaterSize = 330 * 1024;

    // Clients that hold no more bytes than this are neither paused nor closed: that would free too little.
    private const int SmallHolding = 16 * 1024;

    // How long a shortage may last, with the largest clients paused, before the largest one is closed.
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(10);

    private readonly long _limit;
    private readonly ServerLog? _log;
    private readonly CountingPool _pool;
    private long _unpooled;                        // bytes that do not come from the pool
    private long _pauseAbove = long.MaxValue;      // clients that hold more bytes are not read from
    private long _shortSince = -1;                 // timestamp of the heartbeat; -1 while there is no shortage
    private bool _isLogged;                        // the log has an entry for the start of a shortage, and none for its end
    private int _isRelieving;

    /// <param name="limit">Bytes.</param>
    /// <param name="pool">The pool that the buffers come from.</param>
    /// <param name="log">Gets one entry at the start of each shortage, and one at its end.</param>
    public MemoryBudget(long limit, ArrayPool<byte> pool, ServerLog? log = null)
    {
        _limit = limit;
        _log = log;
        _pool = new CountingPool(pool, Grew);
    }

    /// <summary>Called on a pool thread when memory becomes short between two beats. It should call <see cref="Relieve"/>.</summary>
    public Action? BecameShort { get; set; }

    /// <summary>The pool for all buffers of connections.</summary>
    public ArrayPool<byte> Pool => _pool;

    /// <summary>The most bytes that may be in use; <see cref="long.MaxValue"/> without a limit.</summary>
    public long Limit => _limit;

    /// <summary>Bytes that are held now. A snapshot.</summary>
    public long Used => _pool.Rented + Volatile.Read(ref _unpooled);

    /// <summary>Whether there is a shortage: the largest clients are not read from.</summary>
    public bool IsShort => Volatile.Read(ref _pauseAbove) != long.MaxValue;

    /// <summary>Whether so much more than the limit is held that a client whose messages have just grown has to be closed, be it the largest or not.</summary>
    public bool IsFarExceeded => Used - _limit > _limit / 4;

    private long Near => _limit - _limit / 4;

    /// <summary>Whether a client that holds this many bytes is not read from at present.</summary>
    public bool Pauses(long held) => held > Volatile.Read(ref _pauseAbove);

    /// <summary>Counts bytes that do not come from the pool; negative when they are given back.</summary>
    public void Count(long bytes)
    {
        Interlocked.Add(ref _unpooled, bytes);
        if (bytes >= CountingPool.LargeSize)
            Grew();
    }

    /// <summary>Stops counting buffers of this many bytes that will never be returned, because a handler may still read them.</summary>
    public void Forget(int bytes) => _pool.Forget(bytes);

    /// <summary>Pauses the clients that hold the most during a shortage, and closes them while the limit is exceeded. Called by each beat.</summary>
    /// <param name="connections">Returns all connections. Called during a shortage only.</param>
    /// <param name="heartbeat">The clock.</param>
    public void Relieve(Func<ConnectionLifetime[]> connections, Heartbeat heartbeat)
    {
        if ((Used < Near && !IsShort && !_isLogged) || Interlocked.Exchange(ref _isRelieving, 1) != 0)
            return;
        try
        {
            long used = Used;
            if (used < Near)
                EndShortage(used);
            else
                RelieveLargest(used, connections(), heartbeat);
        }
        catch (Exception exception)
        {
            // Ranking the connections allocates memory, which may fail. An exception on a timer or pool thread would end the process.
            _log?.MemoryNotRelieved(exception);
        }
        finally
        {
            Volatile.Write(ref _isRelieving, 0);
        }
    }

    private void RelieveLargest(long used, ConnectionLifetime[] connections, Heartbeat heartbeat)
    {
        if (_shortSince < 0)
            _shortSince = heartbeat.Now;
        if (!_isLogged)
        {
            _isLogged = true;
            _log?.MemoryShort(used, _limit);
        }

        long[] held = Array.ConvertAll(connections, static connection => -connection.HeldBytes);
        Array.Sort(held, connections); // largest first

        // The largest clients that together hold half of all bytes.
        long sum = 0;
        int largest = 0;
        while (largest < held.Length && sum < used / 2 && -held[largest] > SmallHolding)
            sum -= held[largest++];
        Volatile.Write(ref _pauseAbove, largest > 0 ? -held[largest - 1] - 1 : SmallHolding);

        long excess = used > _limit ? used - _limit + _limit / 8 : 0;
        bool takesLong = heartbeat.Now - _shortSince >= heartbeat.ToTimestamp(MaxPause);
        for (int i = 0; i < held.Length && -held[i] > SmallHolding && (excess > 0 || (takesLong && i == 0)); i++)
        {
            connections[i].CloseForMemory();
            excess += held[i];
        }
    }

    private void EndShortage(long used)
    {
        Volatile.Write(ref _pauseAbove, long.MaxValue);
        _shortSince = -1;
        // Hysteresis: memory that hovers around the threshold must not fill the log.
        if (!_isLogged || used >= Near - _limit / 8)
            return;
        _isLogged = false;
        _log?.MemorySuffices(used, _limit);
    }

    private void Grew()
    {
        long used = Used;
        // Pause all large clients immediately: it may take a while until a pool thread ranks them.
        if (used >= _limit)
            Volatile.Write(ref _pauseAbove, SmallHolding);
        // During a known shortage the beats are enough, unless the limit itself is exceeded.
        if (used >= (IsShort ? _limit : Near) && Volatile.Read(ref _isRelieving) == 0 && BecameShort is { } becameShort)
            ThreadPool.UnsafeQueueUserWorkItem(static becameShort => becameShort(), becameShort, preferLocal: false);
    }
}
