using System.Buffers;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Buffers;

/// <summary>
/// A growing byte buffer in an array from a pool. It grows with the bytes that are written.
/// <para>A mutable struct: it is a field of its one owner, and is passed by reference only. Not thread-safe.</para>
/// </summary>
internal struct PooledBuffer(ArrayPool<byte> pool)
{
    private const int SmallestRent = 256;
    private const int LargestGuess = 1024 * 1024;

    private readonly ArrayPool<byte> _pool = pool;
    private byte[]? _array; // null while nothing is rented
    private int _length;
    private int _lastLength; // the length at the last release: the next use starts with an array of this size, because growing costs copies

    public readonly int Length => _length;

    public readonly bool IsEmpty => _length == 0;

    public readonly int Capacity => _array?.Length ?? 0;

    public readonly Memory<byte> Written => new(_array, 0, _length);

    /// <summary>
    /// Free space of at least <paramref name="size"/> bytes after the written bytes. Valid until the next call. <see cref="Advance"/> makes bytes of it written.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> GetSpan(int size)
    {
        if (_array is not { } array || array.Length - _length < size)
            array = Grow(size);
        return array.AsSpan(_length);
    }

    /// <summary>The same as memory.</summary>
    public Memory<byte> GetMemory(int size)
    {
        GetSpan(size);
        return _array.AsMemory(_length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance(int count) => _length += count;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        Advance(bytes.Length);
    }

    /// <summary>Sets the length to zero and keeps the array.</summary>
    public void Clear() => _length = 0;

    /// <summary>Returns the array to the pool. <see cref="Written"/> memory must not be used after that.</summary>
    public void Release()
    {
        if (_array is not { } array)
            return;
        _lastLength = Math.Min(_length, LargestGuess);
        _array = null;
        _length = 0;
        _pool.Return(array);
    }

    /// <summary>Like <see cref="Release"/>, but the next use starts with the smallest array.</summary>
    public void Empty()
    {
        Release();
        _lastLength = 0;
    }

    /// <summary>Leaves the array to the garbage collector, because somebody may still be reading it.</summary>
    public void Forget()
    {
        _array = null;
        _length = 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private byte[] Grow(int size)
    {
        int needed = checked(_length + size);
        // Doubling: each byte is copied about once more on average.
        int wanted = _array is null ? Math.Max(SmallestRent, _lastLength) : (int)Math.Min(2L * Capacity, Array.MaxLength);
        byte[] larger = _pool.Rent(Math.Max(needed, wanted));
        if (_array is { } array)
        {
            array.AsSpan(0, _length).CopyTo(larger);
            _pool.Return(array);
        }

        return _array = larger;
    }
}
