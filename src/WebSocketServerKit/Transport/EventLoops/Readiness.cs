using System.Threading.Tasks.Sources;

namespace WebSocketServerKit.Transport.EventLoops;

/// <summary>
/// Whether one direction of a socket is ready, and who waits for that. The user tries the socket, and waits when it is not ready. A signal of the loop sets it ready, or ends the wait.
/// <para>Invariants: one user at a time calls <see cref="TryTake"/> and <see cref="TryWait"/>, which never waits while it is ready, so no signal is lost. <see cref="Signal"/> may come from any
/// thread. Whoever gets true from it owns the direction until it calls <see cref="EndWait()"/> or <see cref="GoOnWaiting"/>.</para>
/// </summary>
internal sealed class Readiness(bool isReady = true) : IValueTaskSource
{
    private const int Drained = 0;
    private const int Ready = 1;
    private const int Waiting = 2;

    private ManualResetValueTaskSourceCore<bool> _wait;
    private int _state = isReady ? Ready : Drained;

    /// <summary>Whether to try the socket. Call it before each try: what comes later sets it again.</summary>
    public bool TryTake() => Volatile.Read(ref _state) == Ready && Interlocked.CompareExchange(ref _state, Drained, Ready) == Ready;

    /// <summary>Notes that another try may succeed.</summary>
    public void SetReady() => Volatile.Write(ref _state, Ready);

    /// <summary>Begins to wait. False if it is ready.</summary>
    public bool TryWait(out ValueTask wait)
    {
        _wait.Reset();
        wait = new ValueTask(this, _wait.Version);
        return GoOnWaiting();
    }

    /// <summary>Goes on with a wait whose signal was in vain. False if there is another signal.</summary>
    public bool GoOnWaiting() => Interlocked.CompareExchange(ref _state, Waiting, Drained) == Drained;

    /// <summary>The socket is ready. True when somebody waits: then the caller tries the socket and ends the wait.</summary>
    public bool Signal()
    {
        while (true)
        {
            int state = Volatile.Read(ref _state);
            if (state == Ready)
                return false;
            int next = state == Waiting ? Drained : Ready;
            if (Interlocked.CompareExchange(ref _state, next, state) == state)
                return state == Waiting;
        }
    }

    /// <summary>Ends the wait. Its continuation runs here.</summary>
    public void EndWait() => _wait.SetResult(true);

    /// <inheritdoc cref="EndWait()"/>
    public void EndWait(Exception failure) => _wait.SetException(failure);

    void IValueTaskSource.GetResult(short token) => _wait.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);
}
