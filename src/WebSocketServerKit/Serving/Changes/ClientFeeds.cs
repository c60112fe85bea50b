namespace WebSocketServerKit.Serving.Changes;

/// <summary>
/// All who read the changes of the connected clients. Without a reader a change costs one field access.
/// <para>The lock is the <see cref="ClientRegistry"/>'s: a reader begins with the clients that are connected at one moment, and is told of every change after it.</para>
/// </summary>
internal sealed class ClientFeeds(Lock gate)
{
    private readonly List<ClientFeed> _feeds = [];
    private volatile bool _any;
    private bool _isOver;

    /// <summary>Whether there is a reader. Outside the lock it may change at once.</summary>
    public bool Any => _any;

    /// <summary>Adds a reader, which is told of the present clients first. Under the lock.</summary>
    public ClientFeed Open(ReadOnlySpan<WebSocketClient> present)
    {
        var feed = new ClientFeed(this, gate);
        foreach (WebSocketClient client in present)
            feed.Add(client, ClientChangeKind.Connected);
        if (_isOver)
            feed.End();
        else
            _feeds.Add(feed);
        _any = _feeds.Count > 0;
        return feed;
    }

    /// <summary>Tells all readers of a change. Under the lock.</summary>
    public void Add(WebSocketClient client, ClientChangeKind kind)
    {
        foreach (ClientFeed feed in _feeds)
            feed.Add(client, kind);
    }

    /// <summary>Removes a reader.</summary>
    public void Close(ClientFeed feed)
    {
        lock (gate)
        {
            _feeds.Remove(feed);
            _any = _feeds.Count > 0;
        }
    }

    /// <summary>There will be no further change: the readers end when they have read what is pending.</summary>
    public void End()
    {
        lock (gate)
        {
            _isOver = true;
            foreach (ClientFeed feed in _feeds)
                feed.End();
            _feeds.Clear();
            _any = false;
        }
    }
}
