using System.Buffers;
using WebSocketServerKit.Connections.Watching;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Connections.Memory;

/// <summary>
/// One budget for all bytes that a server holds for its clients: messages that come in, send queues, what is read ahead, decompressors. Limits for each client bound what one may
/// make the server hold; this bounds what all of them may.
/// <para>Near the limit the server reads no more from those who hold most. Above it they are closed with 1013, the largest first. Thread-safe.</para>
/// </summary>
internal sealed class MemoryBudget
{
    /// <summary>What a decompressor takes outside of the pool.</summary>
    public const int InflaterSize = 45 * 1024;

    /// <summary>What a compressor takes that is kept for a client.</summary>
    public const int DeflaterSize = 330 * 1024;

    // Who holds less is not what makes the memory short.
    private const int SmallHolding = 16 * 1024;

    // How long the server may stay near its limit, with the largest clients paused, before one of them makes room.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly long _limit;
    private readonly ServerLog? _log;
    private readonly CountingPool _pool;
    private long _unpooled;                        // bytes that do not come from the pool
    private long _pauseAbove = long.MaxValue;      // who holds more is not read from
    private long _shortSince = -1;                 // in the heartbeat's time; -1 while there is enough
    private int _isRelieving;

    /// <param name="limit">Bytes.</param>
    /// <param name="pool">Where the buffers come from.</param>
    /// <param name="log">Hears once of each shortage, and of its end.</param>
    public MemoryBudget(long limit, ArrayPool<byte> pool, ServerLog? log = null)
    {
        _limit = limit;
        _log = log;
        _pool = new CountingPool(pool, RentedMuch);
    }

    /// <summary>Called, on a thread of the pool, when the memory has become short between two beats: <see cref="Relieve"/> should follow.</summary>
    public Action? BecameShort { get; set; }

    /// <summary>Where all buffers of connections come from.</summary>
    public ArrayPool<byte> Pool => _pool;

    /// <summary>Bytes that are held now. A snapshot.</summary>
    public long Used => _pool.Rented + Volatile.Read(ref _unpooled);

    /// <summary>Whether so little is left that the largest clients are not read from.</summary>
    public bool IsShort => Volatile.Read(ref _pauseAbove) != long.MaxValue;

    private long Near => _limit - _limit / 4;

    /// <summary>Whether a client that holds so much is not read from at present.</summary>
    public bool Pauses(long held) => held > Volatile.Read(ref _pauseAbove);

    /// <summary>Counts bytes that do not come from the pool; negative when they are given back.</summary>
    public void Count(long bytes) => Interlocked.Add(ref _unpooled, bytes);

    /// <summary>Buffers of so many bytes are left to handlers that may still read them, and do not come back.</summary>
    public void Forget(int bytes) => _pool.Forget(bytes);

    /// <summary>Pauses those who hold most while the memory is short, and closes them while it is exceeded.</summary>
    /// <param name="connections">All connections.</param>
    /// <param name="heartbeat">Tells the time.</param>
    public void Relieve(Func<ConnectionLifetime[]> connections, Heartbeat heartbeat)
    {
        if ((Used < Near && !IsShort) || Interlocked.Exchange(ref _isRelieving, 1) != 0)
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
            // It takes memory to find out who holds most. On the heartbeat's thread, and on the pool's, this would end the process.
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
        {
            _shortSince = heartbeat.Now;
            _log?.MemoryShort(used, _limit);
        }

        long[] held = Array.ConvertAll(connections, static connection => -connection.HeldBytes);
        Array.Sort(held, connections); // the largest first

        // The largest that together hold half of it all.
        long sum = 0;
        int largest = 0;
        while (largest < held.Length && sum < used / 2 && -held[largest] > SmallHolding)
            sum -= held[largest++];
        Volatile.Write(ref _pauseAbove, largest > 0 ? -held[largest - 1] - 1 : SmallHolding);

        long excess = used > _limit ? used - _limit + _limit / 8 : 0;
        bool takesLong = heartbeat.Now - _shortSince >= heartbeat.ToTimestamp(Patience);
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
        _log?.MemorySuffices(used, _limit);
    }

    private void RentedMuch()
    {
        long used = Used;
        // At once, whenever a thread is found to look who holds most: nobody who holds much reads on before that.
        if (used >= _limit)
            Volatile.Write(ref _pauseAbove, SmallHolding);
        // Once it is known the beats look after it, unless the limit itself is passed.
        if (used >= (IsShort ? _limit : Near) && Volatile.Read(ref _isRelieving) == 0 && BecameShort is { } becameShort)
            ThreadPool.UnsafeQueueUserWorkItem(static becameShort => becameShort(), becameShort, preferLocal: false);
    }
}
