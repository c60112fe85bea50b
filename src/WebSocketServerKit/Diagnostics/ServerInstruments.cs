using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Diagnostics;

/// <summary>
/// The instruments of all servers of one meter, made once: a meter that ends, or a second one of the same name, would end or double the figures of other servers. Those that are read show one value for
/// each name, the sum of its servers; totals keep those of servers that have ended, so they never fall. Thread-safe.
/// </summary>
internal sealed class ServerInstruments
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "WebSocketServerKit";

    /// <summary>The tag with the name of the server.</summary>
    public const string NameTag = "websocket.server.name";

    private const string DirectionTag = "network.io.direction";

    private static readonly ConditionalWeakTable<Meter, ServerInstruments> OfMeters = [];
    private static readonly Lazy<Meter> Own = new(() => new Meter(Options));

    // Seconds. OpenTelemetry's own boundaries for durations begin at 5 ms, and most handlers take microseconds.
    private static readonly InstrumentAdvice<double> ShortTimes = new()
    {
        HistogramBucketBoundaries = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
    };

    private static readonly InstrumentAdvice<double> LongTimes = new()
    {
        HistogramBucketBoundaries = [0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800],
    };

    private static readonly InstrumentAdvice<int> Sizes = new()
    {
        HistogramBucketBoundaries = [16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 16_777_216],
    };

    private readonly Meter _meter;
    private readonly List<Entry> _servers = []; // the lock is the list, also of the next
    private readonly Dictionary<string, Totals> _past = new(StringComparer.Ordinal); // of servers that have ended, by name

    private ServerInstruments(Meter meter)
    {
        _meter = meter;
        Now("websocket.server.clients", "{client}", "Clients that are connected.", static server => server.ClientCount);
        Now("websocket.server.handshakes.active", "{handshake}", "Connections in the opening handshake.", static server => server.HandshakeCount);
        Now("websocket.server.clients.slow", "{client}", "Clients that read too slowly.", static server => server.SlowClientCount);
        Now("websocket.server.send_queues.size", "By", "Bytes that wait to be sent to clients.", static server => server.PendingBytes);
        Now("websocket.server.memory.usage", "By", "Bytes that the server holds for its clients (BufferedBytes).", static server => server.BufferedBytes);
        Now("websocket.server.memory.limit", "By", "The limit of websocket.server.memory.usage (MaxBufferedBytes).", static server => server.BufferedBytesLimit);
        Total("websocket.server.messages.dropped", "{message}", "Messages that clients did not get because they read too slowly.", static totals => totals.Dropped);
        Total("websocket.server.messages.replaced", "{message}", "Pending messages whose place a newer one with the same key took.", static totals => totals.Replaced);
        Total("websocket.server.messages", "{message}", "Data messages.", static totals => totals.Traffic.MessagesReceived, static totals => totals.Traffic.MessagesSent);
        Total("websocket.server.messages.payload", "By", "Payload of the data messages, uncompressed.", static totals => totals.Traffic.PayloadReceived, static totals => totals.Traffic.PayloadSent);
        Total("websocket.server.io", "By", "Bytes of frames as they are on the wire, compressed, but without what TLS adds.", static totals => totals.Traffic.BytesReceived, static totals => totals.Traffic.BytesSent);

        Handshakes = meter.CreateCounter<long>("websocket.server.handshakes", "{handshake}", "Opening handshakes that were answered: 101, or a refusal and its reason.");
        HandshakeDuration = meter.CreateHistogram("websocket.server.handshake.duration", "s", "From the accepted connection to the answer.", null, ShortTimes);
        Closed = meter.CreateCounter<long>("websocket.server.clients.closed", "{client}", "Clients that have left, by cause and close code.");
        ClientDuration = meter.CreateHistogram("websocket.server.client.duration", "s", "How long clients stay connected.", null, LongTimes);
        MessageSize = meter.CreateHistogram("websocket.server.message.size", "By", "Payload of received messages, uncompressed; a sample.", null, Sizes);
        HandlerDuration = meter.CreateHistogram("websocket.server.handler.duration", "s", "How long the handlers of a message run, async ones included; a sample.", null, ShortTimes);
        HandlerFailures = meter.CreateCounter<long>("websocket.server.handler.failures", "{failure}", "Exceptions of handlers.");
        RoundTrip = meter.CreateHistogram("websocket.server.ping.duration", "s", "From a ping to its pong.", null, ShortTimes);
        Lag = meter.CreateHistogram("websocket.server.lag", "s", "How late the server's timer runs on the thread pool, and how long a turn of an event loop takes.", null, ShortTimes);
    }

    public Counter<long> Handshakes { get; }

    public Histogram<double> HandshakeDuration { get; }

    public Counter<long> Closed { get; }

    public Histogram<double> ClientDuration { get; }

    public Histogram<int> MessageSize { get; }

    public Histogram<double> HandlerDuration { get; }

    public Counter<long> HandlerFailures { get; }

    public Histogram<double> RoundTrip { get; }

    public Histogram<double> Lag { get; }

    private static MeterOptions Options => new(MeterName) { Version = PackageVersion.Of(typeof(ServerInstruments).Assembly) };

    /// <summary>Those of the factory's meter.</summary>
    /// <param name="factory">Makes the meter, and keeps it; null for the one of the process.</param>
    public static ServerInstruments Of(IMeterFactory? factory) => OfMeters.GetValue(factory?.Create(Options) ?? Own.Value, static meter => new ServerInstruments(meter));

    /// <summary>Shows the figures of a server until <see cref="Remove"/>, or until nobody uses the server any more.</summary>
    public void Add(IMeasuredServer server, string? name)
    {
        lock (_servers)
            _servers.Add(new Entry(server, name ?? ""));
    }

    /// <summary>Keeps the totals of a server that has ended.</summary>
    public void Remove(IMeasuredServer server)
    {
        lock (_servers)
        {
            int index = _servers.FindIndex(entry => entry.Server == server);
            if (index < 0)
                return;
            _servers[index].Read(server);
            Forget(index);
        }
    }

    private void Now(string name, string unit, string description, Func<IMeasuredServer, long?> read) =>
        _meter.CreateObservableUpDownCounter(name, () => ReadNow(read), unit, description);

    private void Total(string name, string unit, string description, Func<Totals, long> read) => _meter.CreateObservableCounter(
        name, () => ReadTotals().ConvertAll(totals => new Measurement<long>(read(totals.Value), TagsOf(totals.Key))), unit, description);

    private void Total(string name, string unit, string description, Func<Totals, long> received, Func<Totals, long> sent) => _meter.CreateObservableCounter(
        name,
        () => ReadTotals().SelectMany(totals => (Measurement<long>[])[
            new(received(totals.Value), [.. TagsOf(totals.Key), new(DirectionTag, "receive")]), new(sent(totals.Value), [.. TagsOf(totals.Key), new(DirectionTag, "transmit")])]),
        unit,
        description);

    private List<Measurement<long>> ReadNow(Func<IMeasuredServer, long?> read)
    {
        Dictionary<string, long> sums = new(StringComparer.Ordinal);
        foreach (Entry entry in Snapshot())
            if (entry.Server is { } server && read(server) is { } value)
                sums[entry.Name] = sums.GetValueOrDefault(entry.Name) + value;
        return [.. sums.Select(sum => new Measurement<long>(sum.Value, TagsOf(sum.Key)))];
    }

    private List<KeyValuePair<string, Totals>> ReadTotals()
    {
        lock (_servers)
        {
            for (int i = _servers.Count - 1; i >= 0; i--)
            {
                if (_servers[i].Server is { } server)
                    _servers[i].Read(server);
                else
                    Forget(i);
            }

            Dictionary<string, Totals> sums = new(_past, StringComparer.Ordinal);
            foreach (Entry entry in _servers)
                sums[entry.Name] = sums.GetValueOrDefault(entry.Name) + entry.LastRead;
            return [.. sums];
        }
    }

    private Entry[] Snapshot()
    {
        lock (_servers)
            return [.. _servers];
    }

    // Under the lock.
    private void Forget(int index)
    {
        Entry entry = _servers[index];
        _past[entry.Name] = _past.GetValueOrDefault(entry.Name) + entry.LastRead;
        _servers.RemoveAt(index);
    }

    private static KeyValuePair<string, object?>[] TagsOf(string name) => name.Length == 0 ? [] : [new(NameTag, name)];

    private readonly record struct Totals(Traffic Traffic, long Dropped, long Replaced)
    {
        public static Totals operator +(Totals one, Totals other) => new(one.Traffic + other.Traffic, one.Dropped + other.Dropped, one.Replaced + other.Replaced);
    }

    // A server that is not disposed of is not kept alive.
    private sealed class Entry(IMeasuredServer server, string name)
    {
        private readonly WeakReference<IMeasuredServer> _server = new(server);

        public IMeasuredServer? Server => _server.TryGetTarget(out IMeasuredServer? server) ? server : null;

        public string Name => name;

        public Totals LastRead { get; private set; }

        public void Read(IMeasuredServer server) => LastRead = new Totals(server.ReadTraffic(), server.MessagesDropped, server.MessagesReplaced);
    }
}
