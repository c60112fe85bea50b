using System.Diagnostics.Metrics;

namespace WebSocketServerKit.TestKit;

/// <summary>Makes a meter of its own, and keeps what its instruments measure.</summary>
internal sealed class Instruments : IMeterFactory
{
    private readonly List<Meter> _meters = [];
    private readonly List<Instrument> _published = [];
    private readonly MeterListener _listener = new();
    private readonly List<Recorded> _recorded = []; // the lock is the list
    private readonly List<Recorded> _observed = [];

    /// <param name="only">The instrument to listen to; null for all.</param>
    public Instruments(string? only = null)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (!ReferenceEquals(instrument.Meter.Scope, this) || instrument.Name != (only ?? instrument.Name))
                return;
            _published.Add(instrument);
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Keep(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Keep(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Keep(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>All that were made.</summary>
    public IReadOnlyList<Instrument> All => _published;

    /// <summary>The names and units of all that was measured or read so far.</summary>
    public IEnumerable<string> Names => _recorded.Concat(_observed).Select(one => $"{one.Instrument.Name} {one.Instrument.Unit}").Distinct(StringComparer.Ordinal);

    public Meter Create(MeterOptions options)
    {
        options.Scope = this;
        var meter = new Meter(options);
        _meters.Add(meter);
        return meter;
    }

    /// <summary>What was recorded, as "value key=value …", the tags in the order of their keys.</summary>
    public IReadOnlyList<string> Of(string name)
    {
        lock (_recorded)
            return [.. _recorded.Where(one => one.Instrument.Name == name).Select(one => one.ToString())];
    }

    /// <summary>The values that were recorded.</summary>
    public IReadOnlyList<double> ValuesOf(string name)
    {
        lock (_recorded)
            return [.. _recorded.Where(one => one.Instrument.Name == name).Select(one => one.Value)];
    }

    /// <summary>What an instrument shows now that is read.</summary>
    public IReadOnlyList<string> Read(string name)
    {
        Read();
        return [.. _observed.Where(one => one.Instrument.Name == name).Select(one => one.ToString())];
    }

    /// <summary>The value that an instrument shows now; with several, that with this tag.</summary>
    public double ReadValue(string name, string tag = "")
    {
        Read();
        return _observed.Single(one => one.Instrument.Name == name && one.Tags.Contains(tag, StringComparison.Ordinal)).Value;
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meters.ForEach(meter => meter.Dispose());
    }

    private void Read()
    {
        _observed.Clear();
        _listener.RecordObservableInstruments();
    }

    private void Keep(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string text = string.Join(' ', tags.ToArray().OrderBy(tag => tag.Key, StringComparer.Ordinal).Select(tag => FormattableString.Invariant($"{tag.Key}={tag.Value}")));
        if (instrument.IsObservable)
        {
            _observed.Add(new Recorded(instrument, value, text));
            return;
        }

        lock (_recorded)
            _recorded.Add(new Recorded(instrument, value, text));
    }

    private sealed record Recorded(Instrument Instrument, double Value, string Tags)
    {
        public override string ToString() => FormattableString.Invariant($"{Value} {Tags}").TrimEnd();
    }
}
