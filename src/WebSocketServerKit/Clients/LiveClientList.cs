using System.Collections.ObjectModel;
using System.Collections.Specialized;
using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using WebSocketServerKit.Serving.Changes;

namespace WebSocketServerKit;

/// <summary>
/// The connected clients as a list for a window to bind to: <see cref="ClientRegistry.ToLiveList"/>. It changes, and raises its events, on one <see cref="SynchronizationContext"/>, and at most once
/// per interval however many clients come and go. The clients are in the order of their ids, which is the order in which they came. Dispose of it with the window.
/// </summary>
/// <remarks>
/// <para>
/// A few changes raise one Add or Remove event each, with one item, as WPF, Avalonia and MAUI demand; many at once raise one Reset. When groups, tags, subscriptions or
/// <see cref="WebSocketClient.State"/> of a client have changed, the list raises the client's <see cref="WebSocketClient.PropertyChanged"/> instead: a bound row shows the new values, and keeps its
/// selection.
/// </para>
/// <para>
/// Read it on its context only. <see cref="Dispose"/> may be called from any thread. It ends by itself, and keeps its last content, when the server is disposed of, or when its context throws or drops
/// what is posted to it because its window is gone.
/// </para>
/// </remarks>
public sealed class LiveClientList : ReadOnlyObservableCollection<WebSocketClient>, IDisposable
{
    /// <summary>With more changes than this at once, one Reset costs a view less than an event for each.</summary>
    internal const int MaxSingleChanges = 50;

    private readonly ClientFeed _feed;
    private readonly SynchronizationContext _context;
    private readonly TimeSpan _interval;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ended = new(); // never disposed of: it has no timer and no wait handle
    private readonly Queue<ClientChange> _taken = []; // used by the loop and by what it posts, one after the other
    private int _isDisposed;

    internal LiveClientList(ClientFeed feed, SynchronizationContext context, TimeSpan interval, TimeProvider time)
        : base(new SortedClients())
    {
        _feed = feed;
        _context = context;
        _interval = interval;
        _time = time;
        _feed.TakeAll(_taken);
        Clients.ApplyAll(_taken);
        _taken.Clear();
        // The loop must not carry the AsyncLocals of the caller.
        using (ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow())
            Loop = Task.Run(RunAsync);
    }

    /// <summary>A client was added or removed, or many at once were (Reset). Raised on the list's context.</summary>
    public new event NotifyCollectionChangedEventHandler? CollectionChanged
    {
        add => base.CollectionChanged += value;
        remove => base.CollectionChanged -= value;
    }

    /// <summary><c>Count</c> or <c>Item[]</c> has changed. Raised on the list's context, before <see cref="CollectionChanged"/>.</summary>
    public new event PropertyChangedEventHandler? PropertyChanged
    {
        add => base.PropertyChanged += value;
        remove => base.PropertyChanged -= value;
    }

    /// <summary>Completes when the list has ended.</summary>
    internal Task Loop { get; }

    private SortedClients Clients => (SortedClients)Items;

    /// <summary>Ends the updates; the list keeps its last content. After the call no update begins; on another thread than that of the context, one may be about to end.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        _feed.Dispose();
        _ended.Cancel();
    }

    private async Task RunAsync()
    {
        try
        {
            while (_taken.Count > 0 || await _feed.WhenPending().WaitAsync(_ended.Token).ConfigureAwait(false))
            {
                if (!await PostUpdate().WaitAsync(_ended.Token).ConfigureAwait(false))
                    break;
                if (_interval > TimeSpan.Zero)
                    await Task.Delay(_interval, _time, _ended.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed of.
        }

        Dispose();
    }

    // Completes when the update has been made: true. False when the context will not make it. Nothing but the context refers to the update then.
    private Task<bool> PostUpdate()
    {
        var update = new Update(this);
        try
        {
            _context.Post(static update => ((Update)update!).Make(), update);
        }
#pragma warning disable CA1031 // Whatever the context of a window that is gone throws.
        catch (Exception)
#pragma warning restore CA1031
        {
            return Task.FromResult(false);
        }

        return update.Made;
    }

    // On the context. What a handler throws goes to the context; the rest of the changes follows with the next update, and before newer ones: those wait in the feed, where they are bounded.
    private void MakeUpdate()
    {
        if (_taken.Count == 0)
            _feed.TakeAll(_taken);
        if (_taken.Count(change => change.Kind != ClientChangeKind.Changed) > MaxSingleChanges)
        {
            ClientChange[] changes = [.. _taken];
            _taken.Clear();
            foreach (ClientChange change in changes.Where(change => change.Kind == ClientChangeKind.Changed))
                _taken.Enqueue(change);
            Clients.ApplyAll(changes);
        }

        while (Volatile.Read(ref _isDisposed) == 0 && _taken.TryDequeue(out ClientChange change))
        {
            if (change.Kind == ClientChangeKind.Changed)
                change.Client.RaisePropertyChanged();
            else
                Clients.Apply(change);
        }
    }

    // Only the context refers to it. If the garbage collector finds it before it ran, the context has dropped it.
    [SuppressMessage("Design", "MA0055", Justification = "Only a finalizer can tell that the context has dropped the update.")]
    [SuppressMessage("Usage", "CA1816", Justification = "The finalizer is for an update that has never run; running it suppresses the finalizer.")]
    private sealed class Update(LiveClientList list)
    {
        private readonly TaskCompletionSource<bool> _made = new(TaskCreationOptions.RunContinuationsAsynchronously);

        ~Update() => _made.TrySetResult(false);

        public Task<bool> Made => _made.Task;

        public void Make()
        {
            GC.SuppressFinalize(this);
            try
            {
                if (Volatile.Read(ref list._isDisposed) == 0)
                    list.MakeUpdate();
            }
            finally
            {
                _made.TrySetResult(true);
            }
        }
    }
}
