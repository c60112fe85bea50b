using System.Buffers.Binary;
using System.Text;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.TestKit;

/// <summary>A frame as a strict client received it.</summary>
internal readonly record struct ServerFrame(Opcode Opcode, bool Fin, byte[] Payload)
{
    public string Text => Encoding.UTF8.GetString(Payload);

    /// <summary>The close code of a Close frame; 1005 when it has none.</summary>
    public int CloseCode => Payload.Length < 2 ? 1005 : BinaryPrimitives.ReadUInt16BigEndian(Payload);

    public string CloseReason => Payload.Length < 2 ? "" : Encoding.UTF8.GetString(Payload.AsSpan(2));
}
