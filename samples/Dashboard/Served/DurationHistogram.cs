using System.Numerics;

namespace Dashboard.Served;

/// <summary>Counts durations in buckets that each are an eighth of a power of two wide, so a percentile is right to 12.5 %. Thread-safe.</summary>
internal sealed class DurationHistogram
{
    private const int Fraction = 3; // bits of a bucket's number below the power of two
    private const int Steps = 1 << Fraction;

    private readonly long[] _counts = new long[BucketOf(long.MaxValue) + 1];

    public void Record(TimeSpan duration) => Interlocked.Increment(ref _counts[BucketOf(Math.Max(duration.Ticks, 0))]);

    /// <summary>The duration that this share of all recorded ones does not exceed, null if there is none; then begins anew.</summary>
    public TimeSpan? Take(double share)
    {
        Span<long> counts = stackalloc long[_counts.Length];
        long all = 0;
        for (int bucket = 0; bucket < counts.Length; bucket++)
            all += counts[bucket] = Interlocked.Exchange(ref _counts[bucket], 0);
        if (all == 0)
            return null;

        long wanted = (long)Math.Ceiling(all * share);
        int index = 0;
        for (long below = counts[0]; below < wanted; below += counts[index])
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
