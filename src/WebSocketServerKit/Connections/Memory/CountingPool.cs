using System.Buffers;
using System.Numerics;

namespace WebSocketServerKit.Connections.Memory;

/// <summary>A pool that knows how many bytes are rented, for one server. Thread-safe.</summary>
/// <remarks>The count is spread over several cache lines, one for each processor, so that renting stays free of contention.</remarks>
/// <param name="pool">Where the arrays come from.</param>
/// <param name="rentedMuch">Called, on whatever thread, when an array of <see cref="Much"/> bytes or more was rented.</param>
internal sealed class CountingPool(ArrayPool<byte> pool, Action? rentedMuch = null) : ArrayPool<byte>
{
    /// <summary>Smaller arrays do not change the picture by themselves.</summary>
    public const int Much = 32 * 1024;

    private const int LongsPerLine = 16; // 128 bytes: processors fetch cache lines in pairs

    private readonly long[] _counts = new long[LongsPerLine * Math.Min(64, BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount))];

    /// <summary>Bytes of all arrays that are out. A snapshot.</summary>
    public long Rented
    {
        get
        {
            long rented = 0;
            for (int i = 0; i < _counts.Length; i += LongsPerLine)
                rented += Volatile.Read(ref _counts[i]);
            return rented;
        }
    }

    public override byte[] Rent(int minimumLength)
    {
        byte[] array = pool.Rent(minimumLength);
        Count(array.Length);
        if (array.Length >= Much)
            rentedMuch?.Invoke();
        return array;
    }

    public override void Return(byte[] array, bool clearArray = false)
    {
        Count(-array.Length);
        pool.Return(array, clearArray);
    }

    /// <summary>Arrays of so many bytes do not come back: somebody may still read them.</summary>
    public void Forget(int bytes) => Count(-bytes);

    private void Count(int bytes)
    {
        int line = Thread.GetCurrentProcessorId() * LongsPerLine & (_counts.Length - 1);
        Interlocked.Add(ref _counts[line], bytes);
    }
}
