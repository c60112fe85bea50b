using System.Runtime.InteropServices;

namespace WebSocketServerKit.Buffers;

/// <summary>
/// Gathers many bytes whose number is not known before. They are kept in chunks of native memory, which are never copied to grow. At the end they are moved into one array of the exact size,
/// and each chunk is freed as soon as it is moved. So the peak is about the size of the bytes.
/// <para>Not thread-safe. The owner calls <see cref="Release"/> at the end, or the chunks are lost.</para>
/// </summary>
internal sealed unsafe class LargeBuffer
{
    /// <summary>The most bytes that one <see cref="Gather"/> moves, so that it does not occupy its thread for long.</summary>
    public const int StepSize = 1024 * 1024;

    private const int SmallestChunk = 1024 * 1024;

    // A chunk and its part of the array exist at the same time: so a chunk is a small part of the whole.
    private const int ChunksInWhole = 8;

    // The C library keeps the memory of chunks below 32 MiB for itself when they are freed. Larger ones go back to the system.
    private const int LargestChunk = 64 * 1024 * 1024;

    private readonly Queue<Chunk> _chunks = [];
    private Chunk _last;
    private int _free;      // bytes at the end of the last chunk
    private int _moved;     // bytes of the first chunk that were moved out of it
    private byte[]? _array;
    private int _gathered;  // bytes in the array

    /// <summary>The number of bytes that were appended and not taken.</summary>
    public int Length { get; private set; }

    /// <summary>The memory that it holds, in bytes.</summary>
    public long HeldBytes { get; private set; }

    /// <summary>All bytes in one piece, after <see cref="Gather"/> was true.</summary>
    public Memory<byte> Gathered => _array;

    /// <exception cref="OutOfMemoryException">There is no memory for another chunk.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_free == 0)
                AddChunk();
            int count = Math.Min(bytes.Length, _free);
            bytes[..count].CopyTo(_last.Span[^_free..]);
            bytes = bytes[count..];
            _free -= count;
            Length += count;
        }
    }

    /// <summary>Moves some of the bytes into the array. Call it until it is true. After the first call nothing may be appended or taken.</summary>
    /// <exception cref="OutOfMemoryException">There is no memory for the array.</exception>
    public bool Gather()
    {
        _array ??= GC.AllocateUninitializedArray<byte>(Length);
        int count = Move(_array.AsSpan(_gathered, Math.Min(StepSize, Length - _gathered)));
        _gathered += count;
        HeldBytes += count;
        return _gathered == Length;
    }

    /// <summary>Takes bytes off the front, as many as fit or are there. Returns their number. Nothing may be appended after the first call.</summary>
    public int Take(Span<byte> destination)
    {
        int count = Move(destination);
        Length -= count;
        return count;
    }

    /// <summary>Frees all memory, except for the array: it is left to the garbage collector, since somebody may still be reading it.</summary>
    public void Release()
    {
        while (_chunks.TryDequeue(out Chunk chunk))
            Free(chunk);
        _array = null;
        (Length, _free, _moved, _gathered) = (0, 0, 0, 0);
        HeldBytes = 0;
    }

    private void AddChunk()
    {
        int size = Math.Clamp(Length / ChunksInWhole, SmallestChunk, LargestChunk);
        _last = new Chunk((byte*)NativeMemory.Alloc((nuint)size), size);
        GC.AddMemoryPressure(size); // so that the arrays of earlier messages are collected in time
        _chunks.Enqueue(_last);
        _free = size;
        HeldBytes += size;
    }

    // Moves bytes from the front of the chunks. Returns their number, which is less than asked for only if there are no more.
    private int Move(Span<byte> destination)
    {
        int count = 0;
        while (count < destination.Length && _chunks.TryPeek(out Chunk first))
        {
            int end = _chunks.Count == 1 ? first.Size - _free : first.Size;
            int piece = Math.Min(end - _moved, destination.Length - count);
            first.Span.Slice(_moved, piece).CopyTo(destination[count..]);
            count += piece;
            _moved += piece;
            if (_moved < end)
                break;
            _chunks.Dequeue();
            Free(first);
            _moved = 0;
        }

        return count;
    }

    private void Free(Chunk chunk)
    {
        NativeMemory.Free(chunk.Address);
        GC.RemoveMemoryPressure(chunk.Size);
        HeldBytes -= chunk.Size;
    }

    private readonly struct Chunk(byte* address, int size)
    {
        public byte* Address => address;

        public int Size => size;

        public Span<byte> Span => new(address, size);
    }
}
