using System.Net.WebSockets;

namespace Dashboard.Served;

/// <summary>
/// The messages of the log as they were received, whole, so that they can be read and forwarded. The oldest one goes when there are too many or when they are
/// too large together. Thread-safe.
/// </summary>
/// <param name="capacity">How many are kept.</param>
/// <param name="maxBytes">How many bytes their payloads have together. A message larger than that is not kept, nor is any before it.</param>
internal sealed class KeptMessages(int capacity, long maxBytes)
{
    private readonly Lock _gate = new();
    private readonly Queue<KeptMessage> _messages = new();
    private long _bytes;
    private long _first = 1;

    /// <summary>From this number on, all messages of the log are kept; none before it is.</summary>
    public long First
    {
        get
        {
            lock (_gate)
                return _first;
        }
    }

    /// <summary>Keeps a message whose number is larger than those before.</summary>
    public void Add(KeptMessage message)
    {
        lock (_gate)
        {
            _messages.Enqueue(message);
            _bytes += message.Payload.Length;
            while (_messages.Count > capacity || _bytes > maxBytes)
            {
                KeptMessage oldest = _messages.Dequeue();
                _bytes -= oldest.Payload.Length;
                _first = oldest.Number + 1;
            }
        }
    }

    /// <summary>Null if it is not kept, or not any more.</summary>
    public KeptMessage? Find(long number)
    {
        lock (_gate)
            return _messages.FirstOrDefault(message => message.Number == number);
    }
}

/// <summary>A message as it was received.</summary>
/// <param name="Number">Which message of the log it is.</param>
/// <param name="Client">The client that sent it; null when it was sent from the page.</param>
/// <param name="Sender">How the log names the sender.</param>
/// <param name="Type">Text or binary.</param>
/// <param name="Payload">All its bytes. Nobody writes to them.</param>
internal sealed record KeptMessage(long Number, long? Client, string Sender, WebSocketMessageType Type, byte[] Payload);
