namespace Dashboard.Served;

/// <summary>
/// A log that a flood cannot fill: everything is counted, but of what comes between two reports only the first so many are kept, and of all that were kept the latest are remembered.
/// Entries are numbered with the count, so a gap between two of them says how many are missing.
/// </summary>
/// <param name="capacity">How many entries are remembered.</param>
/// <param name="perReport">How many are kept between two calls of <see cref="TakeNew"/>.</param>
internal sealed class SampledLog<T>(int capacity, int perReport)
{
    private readonly Lock _gate = new();
    private readonly Queue<T> _latest = new();
    private List<T> _new = [];
    private long _count;

    /// <summary>Counts an entry, and makes and keeps it if there is room.</summary>
    public void Add<TSource>(TSource source, Func<TSource, long, T> make)
        where TSource : allows ref struct
    {
        lock (_gate)
        {
            _count++;
            if (_new.Count == perReport)
                return;

            T entry = make(source, _count);
            _new.Add(entry);
            if (_latest.Count == capacity)
                _latest.Dequeue();
            _latest.Enqueue(entry);
        }
    }

    /// <summary>The entries that were kept since the last call, oldest first.</summary>
    public IReadOnlyList<T> TakeNew()
    {
        lock (_gate)
        {
            List<T> taken = _new;
            _new = [];
            return taken;
        }
    }

    /// <summary>All entries that are remembered, oldest first.</summary>
    public IReadOnlyList<T> Latest()
    {
        lock (_gate)
            return [.. _latest];
    }
}
