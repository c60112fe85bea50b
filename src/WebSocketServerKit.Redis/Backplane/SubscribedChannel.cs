using System.Buffers;
using System.Threading.Channels;
using StackExchange.Redis;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.Backplane;

/// <summary>
/// A channel that servers of this process have subscribed to. It gives them its messages in order.
/// </summary>
/// <remarks>
/// The client calls plain handlers on the thread pool, in any order. Its queues keep the order, but are not bounded. So between two batches everything is moved from the queue into one that is.
/// </remarks>
internal sealed class SubscribedChannel(string name, Inbox inbox)
{
    // So many messages go to the server at once. Then a channel that is flooded leaves its thread to others.
    private const int Turn = 64;

    private readonly Queue<ReadOnlyMemory<byte>> _held = new(); // of the loop alone
    private volatile IBackplaneReceiver[] _receivers = [];
    private ChannelMessageQueue? _queue;

    /// <summary>Replaced as a whole, by one thread at a time.</summary>
    public IBackplaneReceiver[] Receivers => _receivers;

    public bool IsSubscribed(IBackplaneReceiver receiver) => Array.IndexOf(_receivers, receiver) >= 0;

    public void Add(IBackplaneReceiver receiver)
    {
        if (!IsSubscribed(receiver))
            _receivers = [.. _receivers, receiver];
    }

    public void Remove(IBackplaneReceiver receiver) => _receivers = [.. _receivers.Where(other => other != receiver)];

    /// <summary>Gives no messages any more.</summary>
    public void Clear() => _receivers = [];

    /// <summary>Begins to give messages to the receivers.</summary>
    public void Start(ChannelMessageQueue queue)
    {
        _queue = queue;
        _ = RunAsync(queue);
    }

    /// <summary>Ends with the client's subscription.</summary>
    public Task StopAsync(CommandFlags flags) => _queue!.UnsubscribeAsync(flags);

    private async Task RunAsync(ChannelMessageQueue queue)
    {
        try
        {
            while (true)
            {
                Hold(await queue.ReadAsync().ConfigureAwait(false));
                Take(queue);
                while (_held.Count > 0)
                {
                    DeliverBatch();
                    Take(queue);
                    if (_held.Count > 0)
                        await Task.Yield();
                }
            }
        }
        catch (ChannelClosedException)
        {
            // Unsubscribed, or the client has ended. Nothing is held while the loop waits.
        }
    }

    private void Take(ChannelMessageQueue queue)
    {
        while (queue.TryRead(out ChannelMessage message))
            Hold(message);
    }

    private void Hold(ChannelMessage message)
    {
        ReadOnlyMemory<byte> bytes = message.Message;
        if (inbox.TryHold(bytes.Length))
            _held.Enqueue(bytes);
    }

    private void DeliverBatch()
    {
        int count = Math.Min(_held.Count, Turn);
        ReadOnlyMemory<byte>[] batch = ArrayPool<ReadOnlyMemory<byte>>.Shared.Rent(count);
        for (int i = 0; i < count; i++)
            batch[i] = _held.Dequeue();
        Deliver(batch.AsSpan(0, count));
        for (int i = 0; i < count; i++)
            inbox.Release(batch[i].Length);
        ArrayPool<ReadOnlyMemory<byte>>.Shared.Return(batch, clearArray: true);
    }

    private void Deliver(ReadOnlySpan<ReadOnlyMemory<byte>> messages)
    {
        foreach (IBackplaneReceiver receiver in _receivers)
        {
            try
            {
                receiver.Receive(name, messages);
                RedisMetrics.Received(messages.Length);
            }
            catch (Exception exception)
            {
                inbox.Log.ReceiverThrew(exception, new PeerText(name));
            }
        }
    }
}
