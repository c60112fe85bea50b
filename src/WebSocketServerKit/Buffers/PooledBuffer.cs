using System.Buffers;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Buffers;

/// <summary>
/// Bytes gathered one behind the other in a rented array that grows with what was written, never with what was announced.
/// A mutable struct: it lives in a field of its one owner and is passed by reference only. Not thread-safe.
/// </summary>
internal struct PooledBuffer(ArrayPool<byte> pool)
{
    private const int SmallestRent = 256;
    private const int LargestGuess = 1024 * 1024;

    private readonly ArrayPool<byte> _pool = pool;
    private byte[]? _array; // null exactly while nothing is rented
    private int _length;
    private int _lastLength; // when it was released: a busy owner will soon hold as much again, and growing costs copies

    public readonly int Length => _length;

    public readonly bool IsEmpty => _length == 0;

    public readonly int Capacity => _array?.Length ?? 0;

    public readonly Memory<byte> Written => new(_array, 0, _length);

    /// <summary>At least <paramref name="size"/> bytes behind what is written; valid until the next call.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> GetSpan(int size)
    {
        if (_array is not { } array || array.Length - _length < size)
            array = Grow(size);
        return array.AsSpan(_length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance(int count) => _length += count;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        Advance(bytes.Length);
    }

    /// <summary>Forgets what was written and keeps the array for more.</summary>
    public void Clear() => _length = 0;

    /// <summary>Gives the array back to the pool. Whoever still holds <see cref="Written"/> must not touch it again.</summary>
    public void Release()
    {
        if (_array is not { } array)
            return;
        _lastLength = Math.Min(_length, LargestGuess);
        _array = null;
        _length = 0;
        _pool.Return(array);
    }

    /// <summary>Gives the array back, and expects to hold little from now on.</summary>
    public void Empty()
    {
        Release();
        _lastLength = 0;
    }

    /// <summary>Leaves the array to the garbage collector, for the case that somebody may still be reading it.</summary>
    public void Forget()
    {
        _array = null;
        _length = 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private byte[] Grow(int size)
    {
        int needed = checked(_length + size);
        // Doubling keeps the copying below one extra copy of each byte.
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
