using System.Buffers;

namespace WebSocketServerKit.TestKit;

/// <summary>A pool that knows what is rented, and spoils what comes back so that nobody can go on reading it unnoticed.</summary>
internal sealed class CountingPool : ArrayPool<byte>
{
    private readonly HashSet<byte[]> _rented = new(ReferenceEqualityComparer.Instance);
    private readonly Lock _gate = new();

    /// <summary>Arrays that have not been given back.</summary>
    public int Rented
    {
        get
        {
            lock (_gate)
                return _rented.Count;
        }
    }

    /// <summary>Arrays larger than this cannot be had.</summary>
    public int LargestRent { get; set; } = int.MaxValue;

    public override byte[] Rent(int minimumLength)
    {
        if (minimumLength > LargestRent)
            throw new InvalidOperationException("no memory");
        byte[] array = new byte[minimumLength];
        lock (_gate)
            _rented.Add(array);
        return array;
    }

    public override void Return(byte[] array, bool clearArray = false)
    {
        Array.Fill(array, (byte)0xDD);
        lock (_gate)
        {
            if (!_rented.Remove(array))
                throw new InvalidOperationException("This array was given back before, or is not from here.");
        }
    }
}
