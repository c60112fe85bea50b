using System.Buffers;

namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>A pool that counts what is rented and spoils what is not: whoever reads memory that was never written or was given back reads rubbish.</summary>
internal sealed class CountingPool : ArrayPool<byte>
{
    private const byte Rubbish = 0xDB;

    private readonly HashSet<byte[]> _rented = new(ReferenceEqualityComparer.Instance);

    public long RentedBytes { get; private set; }

    public override byte[] Rent(int minimumLength)
    {
        byte[] array = new byte[minimumLength];
        array.AsSpan().Fill(Rubbish);
        _rented.Add(array);
        RentedBytes += array.Length;
        return array;
    }

    public override void Return(byte[] array, bool clearArray = false)
    {
        Promise.Holds(_rented.Remove(array), "an array is given back once, and to the pool it came from");
        RentedBytes -= array.Length;
        array.AsSpan().Fill(Rubbish);
    }
}
