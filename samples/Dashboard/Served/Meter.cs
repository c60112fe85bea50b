using WebSocketServerKit;

namespace Dashboard.Served;

/// <summary>Counts all that passes, exactly, and turns it into a point for the charts each second. Thread-safe; one caller ends the seconds.</summary>
internal sealed class Meter(TimeProvider time)
{
    private const int SecondsKept = 120;

    private readonly DurationHistogram _handlerTimes = new();
    private readonly Lock _gate = new();
    private readonly Queue<Second> _past = new();
    private long _messagesIn;
    private long _bytesIn;
    private long _messagesOut;
    private long _bytesOut;
    private long _dropped;
    private Totals _before = new(0, 0, 0, 0, 0);
    private long _began = time.GetTimestamp();

    public Totals Totals => new(
        Interlocked.Read(ref _messagesIn), Interlocked.Read(ref _bytesIn), Interlocked.Read(ref _messagesOut), Interlocked.Read(ref _bytesOut), Interlocked.Read(ref _dropped));

    /// <summary>A message came, and its handler took so long.</summary>
    public void Received(int size, TimeSpan handlerTime)
    {
        Interlocked.Increment(ref _messagesIn);
        Interlocked.Add(ref _bytesIn, size);
        _handlerTimes.Record(handlerTime);
    }

    /// <summary>A message was sent to so many.</summary>
    public void Sent(int size, BroadcastResult result)
    {
        Interlocked.Add(ref _messagesOut, result.Sent);
        Interlocked.Add(ref _bytesOut, (long)size * result.Sent);
        Interlocked.Add(ref _dropped, result.Dropped);
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
            _handlerTimes.Take(0.99)?.TotalMicroseconds);
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

/// <summary>Exact counts. Dropped are messages that a client was to get and did not, because it reads too slowly or was leaving.</summary>
internal sealed record Totals(long MessagesIn, long BytesIn, long MessagesOut, long BytesOut, long Dropped);

/// <summary>A point of the charts: rates per second, clients, and the 99th percentile of the handler's time in microseconds, null if it did not run.</summary>
internal sealed record Second(long Time, double MessagesIn, double MessagesOut, double BytesIn, double BytesOut, int Clients, double? HandlerP99);
