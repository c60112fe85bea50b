using System.Buffers;

namespace WebSocketServerKit.TestKit;

/// <summary>
/// A pool that holds its users to their word: every array comes back, once, and is not written to afterwards. Each array has exactly the
/// length asked for and is full of rubbish; one that came back is never rented again and is full of other rubbish, so that a late reader
/// sees it. Thread-safe. Call <see cref="AssertNothingRented"/> at the end, best in the Dispose of the test class.
/// </summary>
internal sealed class LeakCheckingPool : ArrayPool<byte>
{
    private const byte Fresh = 0xCD;
    private const byte Poison = 0xDD;

    private readonly Lock _gate = new();
    private readonly HashSet<byte[]> _rented = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<byte[]> _returned = new(ReferenceEqualityComparer.Instance);
    private string? _misuse; // the first one; kept, because who misused the pool may swallow the exception

    /// <summary>How many arrays are out.</summary>
    public int Rented => Locked(() => _rented.Count);

    /// <summary>The bytes of all arrays that are out.</summary>
    public long RentedBytes => Locked(() => _rented.Sum(array => (long)array.Length));

    /// <summary>How many arrays were ever rented.</summary>
    public int Rents => Locked(() => _rented.Count + _returned.Count);

    /// <summary>Arrays larger than this cannot be had.</summary>
    public int LargestRent { get; set; } = int.MaxValue;

    public override byte[] Rent(int minimumLength)
    {
        if (minimumLength > LargestRent)
            throw new InvalidOperationException("There is no memory left.");
        byte[] array = new byte[minimumLength];
        array.AsSpan().Fill(Fresh);
        lock (_gate)
            _rented.Add(array);
        return array;
    }

    public override void Return(byte[] array, bool clearArray = false)
    {
        lock (_gate)
        {
            if (!_rented.Remove(array))
            {
                string wrong = _returned.Contains(array) ? "was returned twice" : "is not from this pool";
                _misuse ??= $"An array of {array.Length} bytes {wrong}.";
                throw new InvalidOperationException(_misuse);
            }

            array.AsSpan().Fill(Poison);
            _returned.Add(array);
        }
    }

    /// <summary>Fails unless every array came back, once, and was left alone since.</summary>
    public void AssertNothingRented()
    {
        lock (_gate)
        {
            Assert.Null(_misuse);
            Assert.True(_rented.Count == 0, $"{_rented.Count} of {_rented.Count + _returned.Count} rented arrays were not returned.");
            Assert.False(_returned.Any(array => array.AsSpan().ContainsAnyExcept(Poison)), "An array was written to after its return.");
        }
    }

    private T Locked<T>(Func<T> read)
    {
        lock (_gate)
            return read();
    }
}
