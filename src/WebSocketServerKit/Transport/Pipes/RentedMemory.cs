using System.Buffers;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// All memory that one connection has rented of the server's pool, in the shape in which a <see cref="System.IO.Pipelines.Pipe"/> takes it. It can be forgotten: then the arrays that are out are
/// left to whoever still uses them. Thread-safe.
/// </summary>
internal sealed class RentedMemory(ArrayPool<byte> pool) : MemoryPool<byte>
{
    private readonly Lock _gate = new();
    private int _held;
    private int _generation; // arrays of earlier ones are forgotten

    /// <summary>Bytes of the arrays that are out, and not forgotten.</summary>
    public int Held => Volatile.Read(ref _held);

    public override int MaxBufferSize => Array.MaxLength;

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => RentArray(Math.Max(minBufferSize, 1));

    public Owner RentArray(int minSize)
    {
        byte[] array = pool.Rent(minSize);
        lock (_gate)
        {
            _held += array.Length;
            return new Owner(this, array, _generation);
        }
    }

    /// <summary>The arrays that are out do not go back to the pool any more.</summary>
    /// <returns>How many bytes they have.</returns>
    public int Forget()
    {
        lock (_gate)
        {
            int forgotten = _held;
            _held = 0;
            _generation++;
            return forgotten;
        }
    }

    protected override void Dispose(bool disposing)
    {
        // Each array goes back by itself.
    }

    private void Return(byte[] array, int generation)
    {
        lock (_gate)
        {
            if (generation != _generation)
                return;
            _held -= array.Length;
        }

        pool.Return(array);
    }

    /// <summary>One array; disposing gives it back.</summary>
    internal sealed class Owner(RentedMemory memory, byte[] array, int generation) : IMemoryOwner<byte>
    {
        private int _isReturned;

        public byte[] Array => array;

        public Memory<byte> Memory => array;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReturned, 1) == 0)
                memory.Return(array, generation);
        }
    }
}
