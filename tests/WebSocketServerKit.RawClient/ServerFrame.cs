using System.Buffers.Binary;
using System.Text;

namespace WebSocketServerKit.Raw;

/// <summary>A frame, or a message put together from its fragments, that the server sent and that keeps every rule of RFC 6455.</summary>
public sealed record ServerFrame(byte Opcode, bool Fin, ReadOnlyMemory<byte> Payload)
{
    /// <summary>The message is compressed (RFC 7692 6.2), and so is the payload.</summary>
    public bool Rsv1 { get; init; }

    public bool IsControl => Opcode >= 8;

    public string Text => Encoding.UTF8.GetString(Payload.Span);

    /// <summary>The close code of a Close frame; 1005 if it has none.</summary>
    public int CloseCode => Payload.IsEmpty ? 1005 : BinaryPrimitives.ReadUInt16BigEndian(Payload.Span);

    public string CloseReason => Payload.IsEmpty ? "" : Encoding.UTF8.GetString(Payload.Span[2..]);

    public override string ToString() => Opcode switch
    {
        ClientFrame.ContinuationOpcode => $"Continuation {Payload.Length:N0} B",
        ClientFrame.TextOpcode => $"text {Payload.Length:N0} B",
        ClientFrame.BinaryOpcode => $"binary {Payload.Length:N0} B",
        ClientFrame.PingOpcode => $"Ping {Payload.Length:N0} B",
        ClientFrame.PongOpcode => $"Pong {Payload.Length:N0} B",
        _ when Payload.IsEmpty => "Close",
        _ when CloseReason is "" => $"Close {CloseCode}",
        _ => $"Close {CloseCode} “{CloseReason}”",
    };
}
