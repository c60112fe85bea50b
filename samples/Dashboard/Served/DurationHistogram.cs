using System.Numerics;

namespace Dashboard.Served;

/// <summary>
/// Counts the durations of the latest turns, in buckets that each are an eighth of a power of two wide, so a percentile is right to 12.5 %. Thread-safe;
/// one caller ends the turns.
/// </summary>
/// <param name="turns">How many turns count.</param>
internal sealed class DurationHistogram(int turns)
{
    private const int Fraction = 3; // bits of a bucket's number below the power of two
    private const int Steps = 1 << Fraction;

    private static readonly int Buckets = BucketOf(long.MaxValue) + 1;

    private readonly long[] _counts = new long[Buckets]; // of the turn that goes on
    private readonly Queue<long[]> _latest = new(); // of the turns that have ended, one array each

    public void Record(TimeSpan duration) => Interlocked.Increment(ref _counts[BucketOf(Math.Max(duration.Ticks, 0))]);

    /// <summary>Ends a turn. Gives the duration that this share of all in the latest turns does not exceed, null if there are none.</summary>
    public TimeSpan? EndTurn(double share)
    {
        long[] counts = _latest.Count == turns ? _latest.Dequeue() : new long[Buckets];
        for (int bucket = 0; bucket < Buckets; bucket++)
            counts[bucket] = Interlocked.Exchange(ref _counts[bucket], 0);
        _latest.Enqueue(counts);

        Span<long> sums = stackalloc long[Buckets];
        sums.Clear();
        long all = 0;
        foreach (long[] turn in _latest)
        {
            for (int bucket = 0; bucket < Buckets; bucket++)
            {
                sums[bucket] += turn[bucket];
                all += turn[bucket];
            }
        }

        if (all == 0)
            return null;
        long wanted = (long)Math.Ceiling(all * share);
        int index = 0;
        for (long below = sums[0]; below < wanted; below += sums[index])
            index++;
        return TimeSpan.FromTicks(LargestOf(index));
    }

    // Durations below Steps ticks have a bucket each; above, the leading bits choose.
    private static int BucketOf(long ticks)
    {
        if (ticks < Steps)
            return (int)ticks;
        int shift = BitOperations.Log2((ulong)ticks) - Fraction;
        return ((shift + 1) << Fraction) + (int)((ticks >> shift) - Steps);
    }

    private static long LargestOf(int bucket)
    {
        if (bucket < Steps)
            return bucket;
        int shift = (bucket >> Fraction) - 1;
        return (((long)(bucket & (Steps - 1)) + Steps + 1) << shift) - 1;
    }
}
