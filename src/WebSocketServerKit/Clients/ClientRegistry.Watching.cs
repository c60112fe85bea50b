using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Serving.Changes;

namespace WebSocketServerKit;

public sealed partial class ClientRegistry
{
    /// <summary>
    /// Tells who comes, changes and leaves: first the clients that are connected, as <see cref="ClientChangeKind.Connected"/>, then every change, without a gap and without a double. For presence
    /// lists, dashboards and the like. <c>await foreach (ClientChange change in server.Clients.WatchAsync(token))</c>
    /// </summary>
    /// <remarks>
    /// <para>
    /// The reader takes its time, and nobody waits for it: what it has not read is kept as one change per client. A client that has come and gone meanwhile is not told at all. So at every moment the
    /// changes that were read give the clients that were connected at one moment, and the reader catches up.
    /// </para>
    /// <para>Every enumeration is a reader of its own. It ends when it is disposed of (<c>await foreach</c> does that), when the token is cancelled, and, after the last change, with the server's disposal.</para>
    /// </remarks>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async IAsyncEnumerable<ClientChange> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using ClientFeed feed = OpenFeed();
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            while (feed.TryTake(out ClientChange change))
            {
                yield return change;
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        while (await feed.WhenPending().WaitAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <summary>
    /// The connected clients as a list that a window binds to. It has the present clients when the call returns, changes on the window's thread, and raises its events there at a bounded rate. Call it
    /// on that thread, and dispose of it with the window.
    /// </summary>
    /// <param name="context">Where it changes and raises its events. Null for that of the calling thread, else <see cref="WebSocketServerOptions.EventContext"/>.</param>
    /// <param name="interval">The least time between two updates. Null for 100 ms. Zero makes every change an update of its own if the context keeps up.</param>
    /// <exception cref="InvalidOperationException">There is no context: a list without one would change while it is read. Without a window use <see cref="WatchAsync"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The interval is negative or longer than a day.</exception>
    public LiveClientList ToLiveList(SynchronizationContext? context = null, TimeSpan? interval = null)
    {
        TimeSpan pause = interval ?? TimeSpan.FromMilliseconds(100);
        if (pause < TimeSpan.Zero || pause > TimeSpan.FromDays(1))
            throw new ArgumentOutOfRangeException(nameof(interval), interval, "The interval must be from zero to one day.");
        context ??= SynchronizationContext.Current;
        // The context of a handler is that of one client's events.
        if (context is HandlerScope scope)
            context = scope.Host;
        context ??= _options.EventContext ?? throw new InvalidOperationException(
            "A live list needs a SynchronizationContext, and there is none on this thread. Call ToLiveList on the window's thread, pass the window's context, or set the option EventContext. "
            + "Without a window, use WatchAsync.");
        return new LiveClientList(OpenFeed(), context, pause, _options.TimeProvider);
    }

    /// <summary>Whether there is a reader of the changes.</summary>
    internal bool IsWatched => _feeds.Any;

    /// <summary>Tells the readers that a client has changed, if it is connected.</summary>
    internal void TellChanged(WebSocketClient client)
    {
        if (!IsWatched)
            return;
        lock (_gate)
        {
            if (IsRegistered(client))
                _feeds.Add(client, ClientChangeKind.Changed);
        }
    }

    /// <summary>The server is disposed of, and its clients have left: the readers end.</summary>
    internal void EndFeeds() => _feeds.End();

    private ClientFeed OpenFeed()
    {
        ClientFeed feed;
        lock (_gate)
            feed = _feeds.Open(_all.Clients);
        // Who sets a State and sees no reader must have set it before this reader reads it.
        Interlocked.MemoryBarrier();
        return feed;
    }
}
