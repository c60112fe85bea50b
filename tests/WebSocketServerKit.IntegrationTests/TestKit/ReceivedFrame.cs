using System.Text;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.TestKit;

/// <summary>A frame as a strict client received it.</summary>
/// <param name="Opcode">The opcode.</param>
/// <param name="Fin">Whether it ends its message.</param>
/// <param name="Payload">What follows the header.</param>
/// <param name="CloseCode">The close code of a Close frame, 1005 when it has none; 0 for other frames.</param>
/// <param name="CloseReason">The close reason of a Close frame.</param>
internal readonly record struct ReceivedFrame(Opcode Opcode, bool Fin, byte[] Payload, int CloseCode, string CloseReason)
{
    public string Text => Encoding.UTF8.GetString(Payload);
}
