namespace Dashboard.Served;

/// <summary>Counts all that passes, exactly, and turns it into a point for the charts each second. Thread-safe; one caller ends the seconds.</summary>
internal sealed class Meter(TimeProvider time)
{
    private const int SecondsKept = 120;

    // In most seconds few messages come, or none: a percentile of one second says little, and often there is none.
    private const int SecondsOfHandlerTimes = 10;

    private readonly DurationHistogram _handlerTimes = new(SecondsOfHandlerTimes);
    private readonly Lock _gate = new();
    private readonly Queue<Second> _past = new();
    private long _messagesIn;
    private long _bytesIn;
    private long _messagesOut;
    private long _bytesOut;
    private long _relayed;
    private long _relayCopies;
    private long _relayDropped;
    private Totals _before = new(0, 0, 0, 0, 0, 0, 0);
    private long _began = time.GetTimestamp();

    public Totals Totals => new(
        Interlocked.Read(ref _messagesIn),
        Interlocked.Read(ref _bytesIn),
        Interlocked.Read(ref _messagesOut),
        Interlocked.Read(ref _bytesOut),
        Interlocked.Read(ref _relayed),
        Interlocked.Read(ref _relayCopies),
        Interlocked.Read(ref _relayDropped));

    /// <summary>A message came, and its handler took so long.</summary>
    public void Received(int size, TimeSpan handlerTime)
    {
        Interlocked.Increment(ref _messagesIn);
        Interlocked.Add(ref _bytesIn, size);
        _handlerTimes.Record(handlerTime);
    }

    /// <summary>A message was sent to so many.</summary>
    public void Sent(int size, int receivers)
    {
        Interlocked.Add(ref _messagesOut, receivers);
        Interlocked.Add(ref _bytesOut, (long)size * receivers);
    }

    /// <summary>A message that a client had sent was relayed.</summary>
    public void Relayed(Delivery delivery)
    {
        Sent(delivery.Size, delivery.Result.Accepted);
        if (delivery.Result.Accepted > 0)
            Interlocked.Increment(ref _relayed);
        Interlocked.Add(ref _relayCopies, delivery.Result.Accepted);
        Interlocked.Add(ref _relayDropped, delivery.Result.Dropped);
    }

    /// <summary>Makes a point of what happened since the last call. About a second should lie between; the rates are exact if it was longer.</summary>
    public Second EndSecond(int clients)
    {
        long now = time.GetTimestamp();
        double seconds = time.GetElapsedTime(_began, now).TotalSeconds;
        Totals totals = Totals;
        Second second = new(
            time.GetUtcNow().ToUnixTimeMilliseconds(),
            (totals.MessagesIn - _before.MessagesIn) / seconds,
            (totals.MessagesOut - _before.MessagesOut) / seconds,
            (totals.BytesIn - _before.BytesIn) / seconds,
            (totals.BytesOut - _before.BytesOut) / seconds,
            clients,
            _handlerTimes.EndTurn(0.99)?.TotalMicroseconds);
        (_before, _began) = (totals, now);
        lock (_gate)
        {
            if (_past.Count == SecondsKept)
                _past.Dequeue();
            _past.Enqueue(second);
        }

        return second;
    }

    /// <summary>The latest points, oldest first.</summary>
    public IReadOnlyList<Second> Past()
    {
        lock (_gate)
            return [.. _past];
    }
}

/// <summary>Exact counts.</summary>
/// <param name="MessagesIn">Messages that clients sent.</param>
/// <param name="BytesIn">Their payload bytes.</param>
/// <param name="MessagesOut">Messages that were sent to clients, one for each receiver, for whatever reason.</param>
/// <param name="BytesOut">Their payload bytes.</param>
/// <param name="Relayed">Messages of clients that the relay sent on to at least one other.</param>
/// <param name="RelayCopies">How often it did: one for each receiver.</param>
/// <param name="RelayDropped">Copies that a client was to get from the relay and did not, because it reads too slowly.</param>
internal sealed record Totals(long MessagesIn, long BytesIn, long MessagesOut, long BytesOut, long Relayed, long RelayCopies, long RelayDropped);

/// <summary>
/// A point of the charts: rates per second, clients, and the 99th percentile of the handler's time in microseconds, over the last ten seconds; null if the
/// handler did not run in them.
/// </summary>
internal sealed record Second(long Time, double MessagesIn, double MessagesOut, double BytesIn, double BytesOut, int Clients, double? HandlerP99);
