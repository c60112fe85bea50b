using System.Threading.Channels;
using StackExchange.Redis;
using WebSocketServerKit.Backplane;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.History;

/// <summary>
/// A stream for the clients of this node: receives what is published, and gives it to the clients that are live. It exists while there is a client.
/// <para>Invariants, under the lock: the position is the newest message that this node knows of. A live reader has its epoch, and its cursor is not behind it. So a new message either follows a live reader's
/// cursor, or is not news for it; a reader that does not fit is live no more, and reads the stream until it does.</para>
/// </summary>
internal sealed class HistoryStream(string name, HistoryStore store, ISubscriber subscriber, HistoryLog log, Action wantsRefresh)
{
    // What this node has received and not given to its clients yet. The oldest messages above that are left out: clients read them from the stream.
    private const int MaxHeldBytes = 1024 * 1024;

    private static readonly TimeSpan OnItsWay = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private readonly HashSet<HistoryReader> _live = [];
    private readonly Dictionary<HistoryOffset, Task<HistoryPage>> _reads = [];
    private HistoryOffset _position; // default before the first read
    private bool _isEarly;           // a message came before the first read
    private Task? _start;
    private ChannelMessageQueue? _queue;
    private int _failing; // the last read has failed, and the log says so

    public string Name => name;

    /// <summary>All its readers. Guarded by the lock of the <see cref="RedisHistory"/>.</summary>
    public Dictionary<WebSocketClient, HistoryReader> Readers { get; } = [];

    /// <summary>Not null when the last reader has gone: completes, without an exception, when the channel is unsubscribed.</summary>
    public Task? Closing { get; private set; }

    /// <summary>Subscribes and finds the position. Called under the lock of the <see cref="RedisHistory"/>.</summary>
    /// <param name="previous">The end of the stream object that had the name before: the channel is not subscribed and unsubscribed at the same time.</param>
    public void Start(Task previous) => _start = Task.Run(() => StartAsync(previous)).Observed();

    /// <summary>Completes when everything that is published from then on is received.</summary>
    public Task WhenStarted() => _start!;

    /// <summary>Called under the lock of the <see cref="RedisHistory"/>.</summary>
    public Task Close() => Closing = Task.Run(CloseAsync);

    /// <summary>Reads a page. Clients that read the same at the same time share it, so it may be a little older than the call.</summary>
    public Task<HistoryPage> ReadSharedAsync(HistoryOffset after)
    {
        lock (_gate)
        {
            if (!_reads.TryGetValue(after, out Task<HistoryPage>? read))
                _reads[after] = read = Task.Run(() => ReadAndForgetAsync(after)).Observed();
            return read;
        }
    }

    /// <summary>Reads a page anew.</summary>
    public Task<HistoryPage> ReadAsync(HistoryOffset after) => store.ReadAsync(name, after);

    /// <summary>The offset before so many of the newest messages, or before the oldest one if the stream has fewer.</summary>
    public Task<HistoryOffset> FindAsync(int last) => store.FindAsync(name, last);

    /// <summary>Makes a reader live if it has all that this node knows of.</summary>
    public bool TryGoLive(HistoryReader reader)
    {
        lock (_gate)
        {
            if (reader.HasEnded || reader.Cursor.Epoch != _position.Epoch || reader.Cursor.Number < _position.Number)
                return false;
            _live.Add(reader);
            return true;
        }
    }

    /// <summary>After the call the reader gets no more messages.</summary>
    public void Remove(HistoryReader reader)
    {
        lock (_gate)
        {
            reader.HasEnded = true;
            _live.Remove(reader);
        }
    }

    /// <summary>Logs that a read has failed, once until one succeeds: many clients may read.</summary>
    public void NoteReadFailure(Exception exception)
    {
        if (Interlocked.Exchange(ref _failing, 1) == 0)
            log.ReadFailed(new PeerText(name), exception);
    }

    /// <summary>Finds out whether the position is right.</summary>
    /// <param name="isPatient">Whether messages that the channel has not brought yet may be on their way.</param>
    public async Task RefreshAsync(bool isPatient = false)
    {
        HistoryOffset known;
        lock (_gate)
            known = _position;
        HistoryOffset head = await store.FindAsync(name, 0).ConfigureAwait(false);
        if (isPatient && head.Epoch == known.Epoch && head.Number > known.Number)
            await Task.Delay(OnItsWay).ConfigureAwait(false);

        lock (_gate)
        {
            bool isLost = head.Epoch == known.Epoch && head.Number < known.Number;
            if (_position.Epoch != known.Epoch || (head.Epoch == known.Epoch && head.Number <= _position.Number && !isLost))
                return;
            if (known.Epoch is not null && (head.Epoch != known.Epoch || isLost))
                wantsRefresh(); // messages that came since the read did not fit the position
            _position = head;
            foreach (HistoryReader reader in _live)
            {
                if (reader.Cursor.Epoch != head.Epoch || reader.Cursor.Number < head.Number || isLost)
                    LeaveLive(reader);
            }
        }
    }

    private async Task StartAsync(Task previous)
    {
        await previous.ConfigureAwait(false);
        _queue = await subscriber.SubscribeAsync(store.ChannelOf(name)).ConfigureAwait(false);
        _ = ReceiveAsync(_queue);
        await RefreshAsync().ConfigureAwait(false);
        if (Volatile.Read(ref _isEarly))
            await RefreshAsync().ConfigureAwait(false); // the message may be newer than the first read
    }

    private async Task CloseAsync()
    {
        try
        {
            await _start!.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_queue is not null)
                await _queue.UnsubscribeAsync().ConfigureAwait(false);
            else
                await LateSubscription.EndAsync(subscriber, store.ChannelOf(name)).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            log.UnsubscribeFailed(new PeerText(name), exception);
        }
    }

    private async Task<HistoryPage> ReadAndForgetAsync(HistoryOffset after)
    {
        try
        {
            HistoryPage page = await store.ReadAsync(name, after).ConfigureAwait(false);
            Volatile.Write(ref _failing, 0);
            return page;
        }
        finally
        {
            lock (_gate)
                _reads.Remove(after);
        }
    }

    // Ends with the client's subscription. The queue of the client is not bounded, so all that is in it is taken out between two messages.
    private async Task ReceiveAsync(ChannelMessageQueue queue)
    {
        Queue<ReadOnlyMemory<byte>> held = new();
        long bytes = 0;
        try
        {
            while (true)
            {
                Hold(await queue.ReadAsync().ConfigureAwait(false));
                while (held.Count > 0)
                {
                    while (queue.TryRead(out ChannelMessage message))
                        Hold(message);
                    Take(out ReadOnlyMemory<byte> next);
                    Receive(next);
                }
            }
        }
        catch (ChannelClosedException)
        {
        }

        void Hold(ChannelMessage message)
        {
            ReadOnlyMemory<byte> published = message.Message;
            held.Enqueue(published);
            bytes += published.Length;
            // A message that follows is left, and shows that there is a hole before it.
            while (bytes > MaxHeldBytes && held.Count > 1)
                Take(out _);
        }

        void Take(out ReadOnlyMemory<byte> oldest)
        {
            oldest = held.Dequeue();
            bytes -= oldest.Length;
        }
    }

    // Called for one message after the other, in the order of the channel.
    private void Receive(ReadOnlyMemory<byte> bytes)
    {
        if (HistoryStore.ReadPublished(name, bytes) is not { } published)
            return;
        PreparedMessage? message = _live.Count > 0 ? store.Prepare(published).Message : null; // not under the lock, since it calls the host
        lock (_gate)
        {
            if (published.Offset.Epoch == _position.Epoch)
                Deliver(published.Offset.Number, message);
            else if (_position.Epoch is not null)
                wantsRefresh();
            else
                _isEarly = true;
        }
    }

    private void Deliver(long number, PreparedMessage? message)
    {
        if (number <= _position.Number)
            return;
        _position = _position with { Number = number };
        foreach (HistoryReader reader in _live)
        {
            if (number <= reader.Cursor.Number)
                continue;
            SendResult result = number == reader.Cursor.Number + 1 && message is not null ? reader.Client.TrySend(message) : SendResult.Dropped;
            if (result.IsAccepted)
                reader.Cursor = _position;
            else if (result == SendResult.Closed)
                _live.Remove(reader); // the end of its connection removes it everywhere
            else
                LeaveLive(reader);
        }
    }

    private void LeaveLive(HistoryReader reader)
    {
        _live.Remove(reader);
        reader.CatchUp();
    }
}
