namespace WebSocketServerKit.Connections.Scheduling;

/// <summary>
/// The time for which a loop has had its thread without waiting for anything. When it is over the loop gives the thread to others (<see cref="Turn"/>): a peer that sends faster than
/// its bytes are taken would keep it for ever. A mutable struct for the loop alone.
/// </summary>
internal struct TimeSlice(SliceClock clock)
{
    private readonly SliceClock _clock = clock;
    private int _began;
    private bool _hasBegun;

    /// <summary>Whether the slice is over. The first question begins it.</summary>
    public bool IsOver
    {
        get
        {
            if (_hasBegun)
                return _clock.IsOver(_began);
            (_hasBegun, _began) = (true, _clock.Now);
            return false;
        }
    }

    /// <summary>The loop waits, or has waited, so that others had the thread: the next slice begins when it goes on.</summary>
    public void End() => _hasBegun = false;
}
