using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using StackExchange.Redis;

namespace WebSocketServerKit.Backplane;

/// <summary>
/// Tells all nodes that this one has subscribed to channels, and waits until they know. After that none of them leaves out a message because it believes that nobody listens. Thread-safe.
/// </summary>
/// <remarks>
/// An announcement is published to all nodes, this one included. Redis tells how many have got it, and each of them answers to the announcing node alone. Announcements are sent at most every 5 ms, with
/// all channels that have come together meanwhile; they do not wait for each other.
/// <code>
/// announcement = kind (1 byte) node (16) number (8, little-endian) *( characters (4) name (UTF-16) )
/// answer       = kind (1 byte) number (8)
/// </code>
/// </remarks>
internal sealed class Announcements(ISubscriber subscriber, Interest interest, TimeProvider time, RedisLog log)
{
    /// <summary>A node that has not answered by then is given up: it may be dead.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private const byte OfChannels = 1, OfAll = 2, Answer = 3;
    private const int HeadSize = 1 + 16 + 8, AnswerSize = 1 + 8;
    private const int BatchSize = 64 * 1024;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(5);

    private readonly Guid _id = Guid.NewGuid();
    private readonly Lock _gate = new(); // guards the next five
    private readonly List<ChannelMessageQueue> _queues = []; // Redis has confirmed them
    private bool _closed;
    private readonly Queue<Batch> _waiting = new();
    private Batch? _last; // of those that wait
    private bool _sending;

    private readonly ConcurrentDictionary<long, Wait> _waits = new();
    private ChannelNames? _names;
    private long _number;
    private bool _unacknowledged; // the last announcement was not, and the log says so

    /// <summary>Whether Redis has confirmed the subscriptions, and the connection has not been lost since.</summary>
    public bool AreHeard => _names is { } names && subscriber.SubscribedEndpoint(names.Nodes) is not null && subscriber.SubscribedEndpoint(names.Node(_id)) is not null;

    /// <summary>Subscribes to the announcements of others, and to answers. Called until it has succeeded.</summary>
    public async Task OpenAsync(ChannelNames names)
    {
        _names = names;
        await ListenAsync(names.Node(_id), TakeAnswer).ConfigureAwait(false);
        await ListenAsync(names.Nodes, TakeAnnouncement).ConfigureAwait(false);
    }

    /// <summary>Ends the subscriptions, and does not wait for Redis.</summary>
    public void Close()
    {
        lock (_gate)
            _closed = true;
        foreach (ChannelMessageQueue queue in _queues)
            _ = queue.UnsubscribeAsync(CommandFlags.FireAndForget);
    }

    /// <summary>Completes when all nodes know that this one has subscribed to a channel.</summary>
    public Task AnnounceAsync(string channel)
    {
        lock (_gate)
        {
            if (_last is null || _last.Size >= BatchSize)
                _waiting.Enqueue(_last = new Batch());
            _last.Add(channel);
            Task known = _last.Known.Task;
            if (!_sending)
            {
                _sending = true;
                _ = SendAsync();
            }

            return known;
        }
    }

    /// <summary>Completes when all nodes know that this one may have subscribed to any channel.</summary>
    public Task AnnounceAllAsync() => TellAsync(OfAll, []);

    private async Task ListenAsync(RedisChannel channel, Action<ReadOnlyMemory<byte>> take)
    {
        ChannelMessageQueue queue;
        try
        {
            queue = await subscriber.SubscribeAsync(channel, CommandFlags.DemandMaster).ConfigureAwait(false);
        }
        catch
        {
            await LateSubscription.EndAsync(subscriber, channel).ConfigureAwait(false);
            throw;
        }

        lock (_gate)
        {
            if (!_closed)
            {
                _queues.Add(queue);
                queue.OnMessage(message => take(message.Message));
                return;
            }
        }

        // A start that was given up must not leave a node behind, which would answer for the next one of the same client.
        _ = queue.UnsubscribeAsync(CommandFlags.FireAndForget);
        throw new ObjectDisposedException(nameof(Announcements));
    }

    private async Task SendAsync()
    {
        while (true)
        {
            Batch? batch;
            lock (_gate)
            {
                if (!_waiting.TryDequeue(out batch))
                {
                    _sending = false;
                    return;
                }

                if (batch == _last)
                    _last = null;
            }

            _ = SendAsync(batch);
            await Task.Delay(Pace).ConfigureAwait(false);
        }
    }

    private async Task SendAsync(Batch batch)
    {
        try
        {
            await TellAsync(OfChannels, batch.Channels).ConfigureAwait(false);
            batch.Known.SetResult();
        }
        catch (Exception exception)
        {
            batch.Known.SetException(exception);
        }
    }

    private async Task TellAsync(byte kind, List<string> channels)
    {
        ChannelNames names = _names ?? throw new IOException("Redis has not been connected yet.");
        long number = Interlocked.Increment(ref _number);
        Wait wait = new();
        _waits[number] = wait;
        try
        {
            long nodes = await subscriber.PublishAsync(names.Nodes, Write(kind, number, channels)).ConfigureAwait(false);
            wait.Expect(nodes);
            try
            {
                await wait.Answered.WaitAsync(Patience, time).ConfigureAwait(false);
                _unacknowledged = false;
            }
            catch (TimeoutException)
            {
                if (!_unacknowledged)
                    log.Unacknowledged(wait.Missing, nodes, Patience.TotalSeconds);
                _unacknowledged = true;
            }
        }
        finally
        {
            _waits.TryRemove(number, out _);
        }
    }

    private byte[] Write(byte kind, long number, List<string> channels)
    {
        byte[] bytes = new byte[HeadSize + channels.Sum(static channel => 4 + (2 * channel.Length))];
        bytes[0] = kind;
        _id.TryWriteBytes(bytes.AsSpan(1));
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(17), number);
        Span<byte> rest = bytes.AsSpan(HeadSize);
        foreach (string channel in channels)
        {
            BinaryPrimitives.WriteInt32LittleEndian(rest, channel.Length);
            MemoryMarshal.AsBytes(channel.AsSpan()).CopyTo(rest[4..]);
            rest = rest[(4 + (2 * channel.Length))..];
        }

        return bytes;
    }

    private void TakeAnnouncement(ReadOnlyMemory<byte> message)
    {
        ReadOnlySpan<byte> bytes = message.Span;
        if (bytes.Length < HeadSize)
            return;
        if (bytes[0] == OfChannels)
            Change(bytes[HeadSize..]);
        else
            interest.Clear();

        byte[] answer = new byte[AnswerSize];
        answer[0] = Answer;
        bytes[17..HeadSize].CopyTo(answer.AsSpan(1));
        _ = subscriber.PublishAsync(_names!.Node(new Guid(bytes[1..17])), answer, CommandFlags.FireAndForget);
    }

    private void Change(ReadOnlySpan<byte> names)
    {
        while (names.Length >= 4)
        {
            int size = 2 * BinaryPrimitives.ReadInt32LittleEndian(names);
            if (size < 0 || size > names.Length - 4)
                return;
            interest.Change(new string(MemoryMarshal.Cast<byte, char>(names.Slice(4, size))));
            names = names[(4 + size)..];
        }
    }

    private void TakeAnswer(ReadOnlyMemory<byte> message)
    {
        if (message.Length == AnswerSize && _waits.TryGetValue(BinaryPrimitives.ReadInt64LittleEndian(message.Span[1..]), out Wait? wait))
            wait.Take();
    }

    private sealed class Batch
    {
        public TaskCompletionSource Known { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<string> Channels { get; } = [];

        public int Size { get; private set; }

        public void Add(string channel)
        {
            Channels.Add(channel);
            Size += 4 + (2 * channel.Length);
        }
    }

    // Answers may come before it is known how many there will be.
    private sealed class Wait
    {
        private const long Unknown = 1L << 32; // far more than there can be

        private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _missing = Unknown;

        public Task Answered => _answered.Task;

        public long Missing => Volatile.Read(ref _missing);

        public void Expect(long nodes)
        {
            if (Interlocked.Add(ref _missing, nodes - Unknown) <= 0)
                _answered.TrySetResult();
        }

        public void Take()
        {
            if (Interlocked.Decrement(ref _missing) <= 0)
                _answered.TrySetResult();
        }
    }
}
