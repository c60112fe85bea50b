using System.Buffers;

namespace WebSocketServerKit.Transport;

/// <summary>Bytes that were received past the buffer of an input, because somebody still used that buffer. Used by one thread at a time; <see cref="HeldBytes"/> from any thread.</summary>
internal struct AheadBuffer
{
    private byte[]? _buffer;
    private int _start;
    private int _end;

    public readonly bool IsEmpty => Count == 0;

    /// <summary>The number of bytes that were not taken yet.</summary>
    public readonly int Count => _end - _start;

    /// <summary>The size of the buffer; 0 if there is none.</summary>
    public readonly int HeldBytes => Volatile.Read(in _buffer)?.Length ?? 0;

    /// <summary>Rents space for a read. <see cref="Received"/> follows.</summary>
    public Memory<byte> Rent(int size, ArrayPool<byte> pool)
    {
        byte[] buffer = pool.Rent(size);
        Volatile.Write(ref _buffer, buffer);
        return buffer;
    }

    /// <summary>Notes how many bytes were read into the rented space; 0 releases it.</summary>
    public void Received(int count, ArrayPool<byte> pool)
    {
        (_start, _end) = (0, count);
        if (count == 0)
            Release(pool);
    }

    /// <summary>Takes bytes, as many as there are or fit.</summary>
    /// <returns>Their number.</returns>
    public int Take(Span<byte> destination, ArrayPool<byte> pool)
    {
        int count = Math.Min(destination.Length, Count);
        _buffer.AsSpan(_start, count).CopyTo(destination);
        _start += count;
        if (count > 0 && IsEmpty)
            Release(pool);
        return count;
    }

    /// <summary>Returns the space to the pool. Does nothing if there is none.</summary>
    public void Release(ArrayPool<byte> pool)
    {
        if (_buffer is not { } buffer)
            return;
        Volatile.Write(ref _buffer, null);
        (_start, _end) = (0, 0);
        pool.Return(buffer);
    }
}
