using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace WebSocketServerKit.Diagnostics;

/// <summary>
/// Records what happens in one server. What changes with every message is counted by the connections anyway, and read when somebody collects (<see cref="ServerInstruments"/>); so nobody who does not
/// listen pays for it. Thread-safe.
/// </summary>
internal sealed class ServerMetrics : IDisposable
{
    /// <summary>Of each client the first messages are measured, and then one in <see cref="SampleInterval"/>: two readings of the clock and two records cost more than a message in a batch.</summary>
    public const int FirstSamples = 8;

    /// <inheritdoc cref="FirstSamples"/>
    public const int SampleInterval = 1_024;

    private readonly IMeasuredServer _server;
    private readonly ServerInstruments _instruments;
    private readonly KeyValuePair<string, object?>[] _tags; // of each measurement

    /// <param name="server">The server.</param>
    /// <param name="factory">Makes the meter, and keeps it; null for the meter of the process.</param>
    /// <param name="name">Tells the server from others; null without that.</param>
    public ServerMetrics(IMeasuredServer server, IMeterFactory? factory, string? name)
    {
        _server = server;
        _tags = name is null ? [] : [new(ServerInstruments.NameTag, name)];
        _instruments = ServerInstruments.Of(factory);
        _instruments.Add(server, name);
    }

    /// <summary>Whether somebody listens to what is measured of a message.</summary>
    public bool MeasuresMessages => _instruments.MessageSize.Enabled || _instruments.HandlerDuration.Enabled;

    /// <summary>Whether somebody listens to how late the server runs.</summary>
    public bool MeasuresLag => _instruments.Lag.Enabled;

    /// <summary>Whether this message of a client is measured; the first is 1.</summary>
    public static bool IsSampled(long message) => message <= FirstSamples || (message & (SampleInterval - 1)) == 0;

    /// <summary>An opening handshake was answered.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="reason">Why it was refused, in a few words of a fixed set; null for 101.</param>
    public void HandshakeAnswered(int status, string? reason)
    {
        if (!_instruments.Handshakes.Enabled)
            return;
        TagList tags = new(_tags) { { "http.response.status_code", status } };
        if (reason is not null)
            tags.Add("websocket.refusal.reason", SnakeCase(reason));
        Count(_instruments.Handshakes, tags);
    }

    /// <summary>An opening handshake has ended.</summary>
    /// <param name="duration">How long it has taken.</param>
    /// <param name="status">The HTTP status; null if there was no answer.</param>
    /// <param name="error">Why there was none, in a few words of a fixed set.</param>
    public void HandshakeEnded(TimeSpan duration, int? status, string error = "connection_lost")
    {
        if (!_instruments.HandshakeDuration.Enabled)
            return;
        Record(
            _instruments.HandshakeDuration, duration.TotalSeconds, [.. _tags, status is null ? new("error.type", error) : new("http.response.status_code", status)]);
    }

    /// <summary>A client has left.</summary>
    /// <param name="cause">Why.</param>
    /// <param name="code">The close code.</param>
    /// <param name="isClientsCode">Whether the client has chosen it. Then codes of its own are one tag for each thousand, so that no client can make any number of them.</param>
    /// <param name="duration">How long it was connected.</param>
    public void ClientClosed(DisconnectCause cause, int code, bool isClientsCode, TimeSpan duration)
    {
        Record(_instruments.ClientDuration, Math.Max(0, duration.TotalSeconds), _tags);
        if (_instruments.Closed.Enabled)
        {
            // RFC 6455 7.4.2: 3000-3999 are reserved for use by libraries, frameworks, and applications; 4000-4999 for private use.
            object shown = isClientsCode && code >= 3_000 ? $"{code / 1_000}xxx" : code;
            Count(_instruments.Closed, new TagList(_tags) { { "websocket.disconnect.cause", SnakeCase(cause.ToString()) }, { "websocket.close.code", shown } });
        }
    }

    /// <summary>A sampled message was received.</summary>
    public void MessageReceived(int size) => Record(_instruments.MessageSize, size, _tags);

    /// <summary>The handlers of a sampled message have ended.</summary>
    public void HandlersEnded(TimeSpan duration) => Record(_instruments.HandlerDuration, duration.TotalSeconds, _tags);

    /// <summary>A handler has thrown.</summary>
    /// <param name="event">The name of its event on the server.</param>
    public void HandlerFailed(string @event)
    {
        if (_instruments.HandlerFailures.Enabled)
            Count(_instruments.HandlerFailures, new TagList(_tags) { { "websocket.event", SnakeCase(@event) } });
    }

    /// <summary>A client has answered a ping.</summary>
    public void PingAnswered(TimeSpan roundTrip) => Record(_instruments.RoundTrip, roundTrip.TotalSeconds, _tags);

    /// <summary>The server's timer has run.</summary>
    /// <param name="late">How late.</param>
    public void TimerRan(TimeSpan late) => Lagged(late, "timer");

    /// <summary>The longest turn of an event loop since the last time.</summary>
    public void LoopTurned(TimeSpan longest) => Lagged(longest, "event_loop");

    /// <summary>Ends the measuring, and keeps the totals.</summary>
    public void Dispose() => _instruments.Remove(_server);

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

    private static void Record<T>(Histogram<T> histogram, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
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
        if (_instruments.Lag.Enabled)
            Record(_instruments.Lag, time.TotalSeconds, [.. _tags, new("websocket.lag.source", of)]);
    }
}
