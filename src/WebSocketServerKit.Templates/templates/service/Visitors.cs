namespace WebSocketService._1;

/// <summary>Counts all who have come. One for all clients, whose handlers run at the same time: it has to be thread-safe.</summary>
internal sealed class Visitors
{
    private int _count;

    public int Add() => Interlocked.Increment(ref _count);
}
