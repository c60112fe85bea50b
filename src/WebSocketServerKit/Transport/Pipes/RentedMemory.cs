using System.Buffers;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>
/// All memory that one connection has rented from the server's pool, as a <see cref="System.IO.Pipelines.Pipe"/> needs it. <see cref="Forget"/> leaves the rented arrays to whoever still uses
/// them. Thread-safe.
/// </summary>
internal sealed class RentedMemory(ArrayPool<byte> pool) : MemoryPool<byte>
{
    private readonly Lock _gate = new();
    private int _held;
    private int _generation; // arrays of earlier generations are forgotten

    /// <summary>The bytes of all rented arrays that are not forgotten.</summary>
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

    /// <summary>Arrays that are rented now are never returned to the pool.</summary>
    /// <returns>Their size in bytes.</returns>
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
        // Each owner returns its own array.
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

    /// <summary>One array. Disposing returns it.</summary>
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
