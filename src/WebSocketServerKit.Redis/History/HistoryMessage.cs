using System.Net.WebSockets;
using System.Text;

namespace WebSocketServerKit;

/// <summary>A message of a stream of <see cref="RedisHistory"/>. Immutable.</summary>
public sealed class HistoryMessage
{
    internal HistoryMessage(string stream, HistoryOffset offset, DateTimeOffset time, WebSocketMessageType messageType, ReadOnlyMemory<byte> payload) =>
        (Stream, Offset, Time, MessageType, Payload) = (stream, offset, time, messageType, payload);

    /// <summary>The name of the stream.</summary>
    public string Stream { get; }

    /// <summary>Its place in the stream.</summary>
    public HistoryOffset Offset { get; }

    /// <summary>When it was published, in UTC, by the clock of the server that published it; in whole milliseconds.</summary>
    public DateTimeOffset Time { get; }

    /// <summary><see cref="WebSocketMessageType.Text"/> or <see cref="WebSocketMessageType.Binary"/>.</summary>
    public WebSocketMessageType MessageType { get; }

    /// <summary>What was published. Do not change it.</summary>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <summary>The payload as text. Made at each call.</summary>
    public string Text => Encoding.UTF8.GetString(Payload.Span);
}
