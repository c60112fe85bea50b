using System.Collections.Concurrent;

namespace WebSocketServerKit.Backplane;

/// <summary>
/// Remembers the channels that no other node has subscribed to. What is not known is wanted. Thread-safe.
/// </summary>
/// <remarks>
/// That nobody listens is learnt from the answer to a message, and it must not be kept if somebody has subscribed since that message was published. So each change counts up an epoch, and an answer counts
/// only in the epoch of its message. Channels share epochs: an answer that is ignored needlessly costs one more message.
/// </remarks>
internal sealed class Interest(TimeProvider time)
{
    /// <summary>How long it is believed that nobody listens: the bound for what an announcement that got lost costs.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);

    /// <summary>So many channels are remembered; then it begins anew. About 10 MB.</summary>
    public const int MaxChannels = 65_536;

    /// <summary>And with so many characters in all: clients may have chosen the names. 8 MB.</summary>
    public const int MaxCharacters = 4 * 1024 * 1024;

    private readonly Lock _gate = new(); // guards every change
    private readonly ConcurrentDictionary<string, long> _nobody = new(StringComparer.Ordinal); // until when
    private readonly int[] _epochs = new int[1024];
    private long _characters; // of all that are remembered
    private bool _trusted; // announcements are heard

    /// <summary>Whether another node may have subscribed.</summary>
    public bool IsWanted(string channel) => !_nobody.TryGetValue(channel, out long until) || time.GetTimestamp() >= until;

    /// <summary>To be read before a message is published.</summary>
    public int EpochOf(string channel) => Volatile.Read(ref Epoch(channel));

    /// <summary>A message of an epoch has reached nobody else.</summary>
    public void Nobody(string channel, int epoch)
    {
        long until = time.GetTimestamp() + (long)(Lifetime.TotalSeconds * time.TimestampFrequency);
        lock (_gate)
        {
            if (!_trusted || Epoch(channel) != epoch)
                return;
            if (_nobody.TryAdd(channel, until))
                _characters += channel.Length;
            else
                _nobody[channel] = until;
            if (_nobody.Count > MaxChannels || _characters > MaxCharacters)
                Forget();
        }
    }

    /// <summary>Somebody has subscribed to a channel, or this node does no longer.</summary>
    public void Change(string channel)
    {
        lock (_gate)
        {
            Epoch(channel)++;
            if (_nobody.TryRemove(channel, out _))
                _characters -= channel.Length;
        }
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            foreach (ref int epoch in _epochs.AsSpan())
                epoch++;
            Forget();
        }
    }

    /// <summary>Announcements are heard from now on, or may get lost.</summary>
    public void Trust(bool trusted)
    {
        lock (_gate)
            _trusted = trusted;
        if (!trusted)
            Clear();
    }

    // Under the lock.
    private void Forget()
    {
        _nobody.Clear();
        _characters = 0;
    }

    private ref int Epoch(string channel) => ref _epochs[StringComparer.Ordinal.GetHashCode(channel) & 1023];
}
