using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace WebSocketServerKit.Diagnostics;

/// <summary>
/// The instruments of one server. What changes with every message is counted by the connections anyway, and read when somebody collects; so nobody who does not listen pays for it. Thread-safe.
/// </summary>
internal sealed class ServerMetrics : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "WebSocketServerKit";

    /// <summary>Of each client the first messages are measured, and then one in <see cref="SampleInterval"/>: two readings of the clock and two records cost more than a message in a batch.</summary>
    public const int FirstSamples = 8;

    /// <inheritdoc cref="FirstSamples"/>
    public const int SampleInterval = 128;

    private const string NameTag = "websocket.server.name";
    private const string DirectionTag = "network.io.direction";
    private const string EventTag = "websocket.event";
    private const string StatusTag = "http.response.status_code";

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
    private readonly bool _ownsMeter;
    private readonly KeyValuePair<string, object?>[] _tags; // of each measurement
    private readonly Counter<long> _handshakes;
    private readonly Histogram<double> _handshakeDuration;
    private readonly Counter<long> _closed;
    private readonly Histogram<double> _clientDuration;
    private readonly Histogram<int> _messageSize;
    private readonly Histogram<double> _handlerDuration;
    private readonly Counter<long> _handlerFailures;
    private readonly Histogram<double> _roundTrip;
    private readonly Histogram<double> _lag;
    private IMeasuredServer? _server; // null once disposed of: a factory may keep the instruments for ever

    /// <param name="server">The server.</param>
    /// <param name="factory">Makes the meter, and keeps it; null for a meter of its own.</param>
    /// <param name="name">Tells the server from others; null without that.</param>
    public ServerMetrics(IMeasuredServer server, IMeterFactory? factory, string? name)
    {
        _server = server;
        _tags = name is null ? [] : [new(NameTag, name)];
        _ownsMeter = factory is null;
        var options = new MeterOptions(MeterName) { Version = typeof(ServerMetrics).Assembly.GetName().Version?.ToString(3) };
        _meter = factory?.Create(options) ?? new Meter(options);

        Up("websocket.server.clients", "{client}", "Clients that are connected.", static server => server.ClientCount);
        Up("websocket.server.handshakes.active", "{handshake}", "Connections in the opening handshake.", static server => server.HandshakeCount);
        Up("websocket.server.clients.slow", "{client}", "Clients that read too slowly.", static server => server.SlowClientCount);
        Up("websocket.server.send_queues.size", "By", "Bytes that wait to be sent to clients.", static server => server.PendingBytes);
        Up("websocket.server.memory.usage", "By", "Bytes that the server holds for its clients (MaxBufferedBytes).", static server => server.BufferedBytes);
        _meter.CreateObservableUpDownCounter(
            "websocket.server.memory.limit",
            () => _server?.BufferedBytesLimit is { } limit ? [new Measurement<long>(limit, _tags)] : Array.Empty<Measurement<long>>(),
            "By",
            "The limit of websocket.server.memory.usage.");
        Total("websocket.server.messages.dropped", "{message}", "Messages that clients did not get because they read too slowly.", static server => server.MessagesDropped);
        Total("websocket.server.messages.replaced", "{message}", "Pending messages whose place a newer one with the same key took.", static server => server.MessagesReplaced);
        Directions("websocket.server.messages", "{message}", "Data messages.", static traffic => (traffic.MessagesReceived, traffic.MessagesSent));
        Directions("websocket.server.messages.payload", "By", "Payload of the data messages, uncompressed.", static traffic => (traffic.PayloadReceived, traffic.PayloadSent));
        Directions("websocket.server.io", "By", "Bytes of frames as they are on the wire, compressed, but without what TLS adds.", static traffic => (traffic.BytesReceived, traffic.BytesSent));

        _handshakes = _meter.CreateCounter<long>("websocket.server.handshakes", "{handshake}", "Opening handshakes that were answered: 101, or a refusal and its reason.");
        _handshakeDuration = _meter.CreateHistogram("websocket.server.handshake.duration", "s", "From the accepted connection to the answer.", null, ShortTimes);
        _closed = _meter.CreateCounter<long>("websocket.server.clients.closed", "{client}", "Clients that have left, by cause and close code.");
        _clientDuration = _meter.CreateHistogram("websocket.server.client.duration", "s", "How long clients stay connected.", null, LongTimes);
        _messageSize = _meter.CreateHistogram("websocket.server.message.size", "By", "Payload of received messages, uncompressed; a sample.", null, Sizes);
        _handlerDuration = _meter.CreateHistogram("websocket.server.handler.duration", "s", "How long the handlers of a message run, async ones included; a sample.", null, ShortTimes);
        _handlerFailures = _meter.CreateCounter<long>("websocket.server.handler.failures", "{failure}", "Exceptions of handlers.");
        _roundTrip = _meter.CreateHistogram("websocket.server.ping.duration", "s", "From a ping to its pong.", null, ShortTimes);
        _lag = _meter.CreateHistogram("websocket.server.lag", "s", "How late the server's timer runs on the thread pool, and how long a turn of an event loop takes.", null, ShortTimes);
    }

    /// <summary>Whether somebody listens to what is measured of a message.</summary>
    public bool MeasuresMessages => _messageSize.Enabled || _handlerDuration.Enabled;

    /// <summary>Whether somebody listens to how late the server runs.</summary>
    public bool MeasuresLag => _lag.Enabled;

    /// <summary>Whether this message of a client is measured; the first is 1.</summary>
    public static bool IsSampled(long message) => message <= FirstSamples || (message & (SampleInterval - 1)) == 0;

    /// <summary>An opening handshake was answered.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="reason">Why it was refused, in a few words of a fixed set; null for 101.</param>
    public void HandshakeAnswered(int status, string? reason)
    {
        if (!_handshakes.Enabled)
            return;
        TagList tags = new(_tags) { { StatusTag, status } };
        if (reason is not null)
            tags.Add("websocket.refusal.reason", SnakeCase(reason));
        Count(_handshakes, tags);
    }

    /// <summary>An opening handshake has ended.</summary>
    /// <param name="duration">How long it has taken.</param>
    /// <param name="status">The HTTP status; null if there was no answer.</param>
    public void HandshakeEnded(TimeSpan duration, int? status)
    {
        if (!_handshakeDuration.Enabled)
            return;
        TagList tags = new(_tags);
        if (status is not null)
            tags.Add(StatusTag, status);
        else
            tags.Add("error.type", "connection_lost");
        Record(_handshakeDuration, duration.TotalSeconds, tags);
    }

    /// <summary>A client has left.</summary>
    /// <param name="cause">Why.</param>
    /// <param name="code">The close code.</param>
    /// <param name="isClientsCode">Whether the client has chosen it. Then codes of its own are one tag for each thousand, so that no client can make any number of them.</param>
    /// <param name="duration">How long it was connected.</param>
    public void ClientClosed(DisconnectCause cause, int code, bool isClientsCode, TimeSpan duration)
    {
        Record(_clientDuration, duration.TotalSeconds, new TagList(_tags));
        if (_closed.Enabled)
        {
            // RFC 6455 7.4.2: 3000-3999 are reserved for use by libraries, frameworks, and applications; 4000-4999 for private use.
            object shown = isClientsCode && code >= 3_000 ? $"{code / 1_000}xxx" : code;
            Count(_closed, new TagList(_tags) { { "websocket.disconnect.cause", SnakeCase(cause.ToString()) }, { "websocket.close.code", shown } });
        }
    }

    /// <summary>A sampled message was received.</summary>
    public void MessageReceived(int size) => Record(_messageSize, size, new TagList(_tags));

    /// <summary>The handlers of a sampled message have ended.</summary>
    public void HandlersEnded(TimeSpan duration) => Record(_handlerDuration, duration.TotalSeconds, new TagList(_tags));

    /// <summary>A handler has thrown.</summary>
    /// <param name="event">The name of its event on the server.</param>
    public void HandlerFailed(string @event)
    {
        if (_handlerFailures.Enabled)
            Count(_handlerFailures, new TagList(_tags) { { EventTag, SnakeCase(@event) } });
    }

    /// <summary>A client has answered a ping.</summary>
    public void PingAnswered(TimeSpan roundTrip) => Record(_roundTrip, roundTrip.TotalSeconds, new TagList(_tags));

    /// <summary>The server's timer has run.</summary>
    /// <param name="late">How late.</param>
    public void TimerRan(TimeSpan late) => Lagged(late, "timer");

    /// <summary>The longest turn of an event loop since the last time.</summary>
    public void LoopTurned(TimeSpan longest) => Lagged(longest, "event_loop");

    /// <summary>Ends the measuring.</summary>
    public void Dispose()
    {
        _server = null;
        if (_ownsMeter)
            _meter.Dispose();
    }

    /// <summary>The words of a name, in the spelling of metric tags: PingTimeout is ping_timeout.</summary>
    internal static string SnakeCase(string words)
    {
        Span<char> snake = stackalloc char[2 * words.Length];
        int length = 0;
        foreach (char letter in words)
        {
            bool isBreak = letter == ' ' || (char.IsUpper(letter) && length > 0 && snake[length - 1] != '_');
            if (isBreak)
                snake[length++] = '_';
            if (letter != ' ')
                snake[length++] = char.ToLowerInvariant(letter);
        }

        return new string(snake[..length]);
    }

    // A listener is code of the host. What it throws must not end a connection.
    private static void Count(Counter<long> counter, in TagList tags)
    {
        try
        {
            counter.Add(1, tags);
        }
        catch (Exception)
        {
            // The measurement is lost.
        }
    }

    private static void Record<T>(Histogram<T> histogram, T value, in TagList tags)
        where T : struct
    {
        if (!histogram.Enabled)
            return;
        try
        {
            histogram.Record(value, tags);
        }
        catch (Exception)
        {
            // The measurement is lost.
        }
    }

    private void Lagged(TimeSpan time, string of)
    {
        if (_lag.Enabled)
            Record(_lag, time.TotalSeconds, new TagList(_tags) { { "websocket.lag.source", of } });
    }

    private void Up(string name, string unit, string description, Func<IMeasuredServer, long> read) =>
        _meter.CreateObservableUpDownCounter(name, () => Read(read), unit, description);

    private void Total(string name, string unit, string description, Func<IMeasuredServer, long> read) =>
        _meter.CreateObservableCounter(name, () => Read(read), unit, description);

    private void Directions(string name, string unit, string description, Func<Traffic, (long Received, long Sent)> of) => _meter.CreateObservableCounter(
        name,
        () =>
        {
            if (_server is not { } server)
                return Array.Empty<Measurement<long>>();
            (long received, long sent) = of(server.ReadTraffic());
            return [new Measurement<long>(received, [.. _tags, new(DirectionTag, "receive")]), new Measurement<long>(sent, [.. _tags, new(DirectionTag, "transmit")])];
        },
        unit,
        description);

    private IEnumerable<Measurement<long>> Read(Func<IMeasuredServer, long> read) => _server is { } server ? [new Measurement<long>(read(server), _tags)] : [];
}
