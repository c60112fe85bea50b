namespace WebSocketServerKit.Scheduling;

/// <summary>
/// Measures how long a loop has run without waiting. When the slice is over, the loop yields its thread (<see cref="Turn"/>). Otherwise a peer that always has
/// more input ready would keep the thread for ever. A mutable struct, not thread-safe: it belongs to one loop.
/// </summary>
internal struct TimeSlice(SliceClock clock)
{
    private readonly SliceClock _clock = clock;
    private int _began;
    private bool _hasBegun;

    /// <summary>Whether the slice is over. The first call after <see cref="End"/> starts a new slice.</summary>
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

    /// <summary>Ends the slice. Called when the loop waits or has yielded.</summary>
    public void End() => _hasBegun = false;
}
