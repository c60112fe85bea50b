namespace WebSocketServerKit.Connections.Handling;

/// <summary>
/// Raises the notices of one connection: events that cannot wait for the client's own handlers, because one of these may be what is waiting. They have a scope of
/// their own, so async handlers are followed like all others.
/// <para>Invariants: one notice at a time; never on the thread that adds it; none before <see cref="Open"/>, none begins after <see cref="CloseAsync"/>. At most
/// two notices of a state wait, its begin and its end, so a handler that does not end costs no memory. Thread-safe. Made for the first notice.</para>
/// </summary>
internal sealed class Notices : IHandlers, IThreadPoolWorkItem
{
    private readonly Lock _gate = new();
    private readonly ConnectionLifetime _connection;
    private readonly List<Notice> _waiting = []; // the lock guards this and the rest
    private readonly HandlerScope _scope;
    private Notice _raising;
    private TaskCompletionSource? _ended; // made by CloseAsync while handlers run
    private bool _isOpen;
    private bool _isClosed;
    private bool _isRunning; // a thread raises, or is about to
    private bool _hasBegun;  // the handlers of _raising were called

    public Notices(ConnectionLifetime connection)
    {
        _connection = connection;
        _scope = new HandlerScope(this, connection.Settings.EventContext);
    }

    /// <summary>Adds a notice, to be raised on the thread pool. May be called inside a lock.</summary>
    public void Add(Notice notice)
    {
        lock (_gate)
        {
            if (_isClosed)
                return;
            // Who is behind is told the newest state only. A begin that has not been told stays in front of its end, and an end in front of the next begin: the two alternate.
            if (_waiting.Exists(waiting => waiting.Kind == notice.Kind))
                _waiting.RemoveAll(notice.Replaces);
            _waiting.Add(notice);
            Run();
        }
    }

    /// <summary>Lets notices be raised from now on: the handlers of ClientConnected have been called.</summary>
    public void Open()
    {
        lock (_gate)
        {
            _isOpen = true;
            Run();
        }
    }

    /// <summary>Lets no notice begin from now on. Completes when the handlers that have begun have ended.</summary>
    public Task CloseAsync()
    {
        lock (_gate)
        {
            _isClosed = true;
            _waiting.Clear();
            return _hasBegun ? (_ended ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task : Task.CompletedTask;
        }
    }

    void IThreadPoolWorkItem.Execute() => _connection.FollowNotices(RunAsync());

    void IHandlers.Raise(long run)
    {
        lock (_gate)
        {
            // The host's context may begin late.
            if (_isClosed)
                return;
            _hasBegun = true;
        }

        _connection.RaiseNotice(_raising, this);
    }

    void IHandlers.HandlerFailed(Exception exception) => _connection.NoticeFailed(exception, _raising.Kind);

    // Inside the lock.
    private void Run()
    {
        if (_isRunning || !_isOpen || _waiting.Count == 0)
            return;
        _isRunning = true;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private async Task RunAsync()
    {
        while (TryTake())
        {
            _scope.Enter();
            bool ended = _scope.Raise();
            _scope.Leave();
            if (!ended)
                await _scope.WhenEnded().ConfigureAwait(false);
        }
    }

    private bool TryTake()
    {
        lock (_gate)
        {
            _hasBegun = false;
            _ended?.TrySetResult();
            _isRunning = _waiting.Count > 0;
            if (!_isRunning)
                return false;
            _raising = _waiting[0];
            _waiting.RemoveAt(0);
            return true;
        }
    }
}
