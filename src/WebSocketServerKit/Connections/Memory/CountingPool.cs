using System.Buffers;
using System.Numerics;

namespace WebSocketServerKit.Connections.Memory;

/// <summary>An array pool that counts the rented bytes of one server. Thread-safe.</summary>
/// <remarks>Each processor has its own counter in a cache line of its own, so that renting causes no contention.</remarks>
/// <param name="pool">The pool that the arrays come from.</param>
/// <param name="largeRented">Called on the renting thread after an array of <see cref="LargeSize"/> bytes or more was rented.</param>
internal sealed class CountingPool(ArrayPool<byte> pool, Action? largeRented = null) : ArrayPool<byte>
{
    /// <summary>The size in bytes from which on a single array is worth a look at the budget.</summary>
    public const int LargeSize = 32 * 1024;

    private const int LongsPerLine = 16; // 128 bytes: processors prefetch cache lines in pairs

    private readonly long[] _counts = new long[LongsPerLine * Math.Min(64, BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount))];

    /// <summary>Bytes of all rented arrays. A snapshot.</summary>
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
        if (array.Length >= LargeSize)
            largeRented?.Invoke();
        return array;
    }

    public override void Return(byte[] array, bool clearArray = false)
    {
        Count(-array.Length);
        pool.Return(array, clearArray);
    }

    /// <summary>Stops counting arrays of this many bytes that will never be returned, because a handler may still read them.</summary>
    public void Forget(int bytes) => Count(-bytes);

    private void Count(int bytes)
    {
        int line = Thread.GetCurrentProcessorId() * LongsPerLine & (_counts.Length - 1);
        Interlocked.Add(ref _counts[line], bytes);
    }
}
