using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.History;

/// <summary>
/// A client's place in a stream. While it is live the <see cref="HistoryStream"/> sends it each message. Otherwise one task reads the stream for it, from its cursor on, until it can be live.
/// <para>Invariant: its cursor is the last message that the client's send queue has accepted, or one whose absence <see cref="RedisHistory.Gap"/> has told. It belongs to the stream, under its lock, while the
/// reader is live, and otherwise to the task.</para>
/// </summary>
internal sealed class HistoryReader(WebSocketClient client, HistoryStream stream, Action<HistoryReader, HistoryGap> missed)
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    private volatile bool _hasEnded;
    private int _replayed;
    private HistoryGap? _gap;

    public WebSocketClient Client => client;

    public HistoryStream Stream => stream;

    public HistoryOffset Cursor { get; set; }

    public bool HasEnded
    {
        get => _hasEnded;
        set => _hasEnded = value;
    }

    /// <summary>The registration that ends it when the client leaves.</summary>
    public CancellationTokenRegistration WhenClosed { get; set; }

    private bool IsWanted => !_hasEnded && client.IsOpen;

    /// <summary>Sends what the client has missed, until it is live.</summary>
    /// <param name="from">The last message that it has; null for none.</param>
    /// <param name="last">How many of the newest messages it gets without <paramref name="from"/>.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public async Task<HistoryResume> ResumeAsync(HistoryOffset? from, int last, CancellationToken cancellationToken)
    {
        Cursor = from ?? await stream.FindAsync(last).Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
        HistoryOffset? reached = await FollowAsync(cancellationToken).ConfigureAwait(false);
        return new HistoryResume(reached is not null, reached ?? Cursor, _replayed, _gap);
    }

    /// <summary>Begins to send what the client has missed, until it is live again. Throws nothing.</summary>
    public void CatchUp() => _ = Task.Run(CatchUpAsync);

    private async Task CatchUpAsync()
    {
        while (IsWanted)
        {
            try
            {
                await FollowAsync(CancellationToken.None).ConfigureAwait(false);
                return;
            }
            catch (Exception exception)
            {
                stream.NoteReadFailure(exception);
                await Task.Delay(Retry).ConfigureAwait(false);
            }
        }
    }

    // Where it went live; null if the client is gone.
    private async Task<HistoryOffset?> FollowAsync(CancellationToken cancellationToken)
    {
        while (IsWanted)
        {
            // Read before anything else: the cursor may be one that the stream never had, or has no more.
            bool isNews = await ReadOnAsync(cancellationToken).ConfigureAwait(false);
            HistoryOffset reached = Cursor; // not its own any more when it is live
            if (stream.TryGoLive(this))
                return reached;
            if (!isNews)
                await stream.RefreshAsync().Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        return null;
    }

    // Reads a page and sends it. False if there was nothing new.
    private async Task<bool> ReadOnAsync(CancellationToken cancellationToken)
    {
        // A client that is slow mostly waits here, without a page in memory.
        if (!await WaitForRoomAsync(cancellationToken).ConfigureAwait(false))
            return false;
        HistoryPage page = await stream.ReadSharedAsync(Cursor).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (page.Contradicts(Cursor))
            page = await stream.ReadAsync(Cursor).Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
        return await SendAsync(page, cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> SendAsync(HistoryPage page, CancellationToken cancellationToken)
    {
        HistoryOffset before = Cursor;
        if (page.Contradicts(Cursor))
        {
            Miss(new HistoryGap(null, null));
            // Of an epoch that is new to the client, whatever is missing before the first message belongs to that gap.
            Cursor = page.Entries is [var first, ..] ? first.Offset with { Number = first.Offset.Number - 1 } : page.Head;
        }

        foreach (HistoryEntry entry in page.Entries)
        {
            MissUntil(entry.Offset.Number);
            if (entry.Message is null)
                MissUntil(entry.Offset.Number + 1);
            else if (!await SendAsync(entry.Message, cancellationToken).ConfigureAwait(false))
                break;
            else
                _replayed++;
            Cursor = entry.Offset;
        }

        if (page.Entries.Count == 0)
            MissUntil(page.Head.Number + 1);
        return Cursor != before;
    }

    private void MissUntil(long number)
    {
        if (number <= Cursor.Number + 1)
            return;
        Miss(new HistoryGap(Cursor.Number + 1, number - 1));
        Cursor = Cursor with { Number = number - 1 };
    }

    private void Miss(HistoryGap gap)
    {
        _gap = _gap is null ? gap : _gap.Value.IsKnown && gap.IsKnown ? _gap.Value with { Last = gap.Last } : new HistoryGap(null, null);
        missed(this, gap);
    }

    // Whatever the client's SlowClientPolicy: it sends when nothing is pending, so that it never finds the queue full by its own doing.
    private async ValueTask<bool> SendAsync(PreparedMessage message, CancellationToken cancellationToken)
    {
        while (await WaitForRoomAsync(cancellationToken).ConfigureAwait(false))
        {
            SendResult result = client.TrySend(message);
            if (result != SendResult.Dropped)
                return result.IsAccepted;
            await Task.Delay(LongestPause, cancellationToken).ConfigureAwait(false);
        }

        return false;
    }

    // Returns when nothing is pending; or after a while all the same, since others may send to the client all the time. False if the client is gone.
    private async ValueTask<bool> WaitForRoomAsync(CancellationToken cancellationToken)
    {
        TimeSpan pause = TimeSpan.FromMilliseconds(1);
        for (TimeSpan waited = TimeSpan.Zero; IsWanted && client.UnsentBytes > 0 && waited < Patience; waited += pause)
        {
            await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            if (pause < LongestPause)
                pause *= 2;
        }

        return IsWanted;
    }
}
