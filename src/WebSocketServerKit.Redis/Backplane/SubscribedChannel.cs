using System.Threading.Channels;
using StackExchange.Redis;

namespace WebSocketServerKit.Backplane;

/// <summary>
/// A channel that servers of this process have subscribed to. It gives them its messages, one after the other and in order.
/// </summary>
/// <remarks>
/// The client calls plain handlers on the thread pool, in any order. Its queues keep the order, but are not bounded. So between two messages everything is moved from the queue into one that is.
/// </remarks>
internal sealed class SubscribedChannel(string name, Inbox inbox)
{
    // A channel that is flooded leaves its thread to others after so many messages.
    private const int Turn = 256;

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
            for (int turn = 1; ; turn++)
            {
                Hold(await queue.ReadAsync().ConfigureAwait(false));
                Take(queue);
                for (; _held.TryDequeue(out ReadOnlyMemory<byte> message); turn++)
                {
                    Deliver(message);
                    inbox.Release(message.Length);
                    Take(queue);
                    if (turn % Turn == 0)
                        await Task.Yield();
                }
            }
        }
        catch (ChannelClosedException)
        {
            // Unsubscribed, or the client has ended.
            foreach (ReadOnlyMemory<byte> message in _held)
                inbox.Release(message.Length);
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

    private void Deliver(ReadOnlyMemory<byte> message)
    {
        foreach (IBackplaneReceiver receiver in _receivers)
        {
            try
            {
                receiver.Receive(name, message);
                RedisMetrics.Received.Add(1);
            }
            catch (Exception exception)
            {
                inbox.Log.ReceiverThrew(exception, name);
            }
        }
    }
}
