using System.Buffers;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The answer to the newest Ping, while the transport is busy. A peer that sends Pings and does not read cannot fill the memory with their answers.
/// <para>Invariants: it holds one Pong at most; it is made for the first Pong that has to wait. The lock of the <see cref="SendQueue"/> guards it.</para>
/// </summary>
internal sealed class NewestPong(ArrayPool<byte> pool)
{
    private PendingFrames _frame = new(pool);

    /// <summary>Holds this Pong instead of the one before.</summary>
    public void Replace(ReadOnlySpan<byte> payload)
    {
        // 5.5.3: an endpoint that "has not yet sent Pong frame(s) in response to previous Ping frame(s)" may
        // "elect to send a Pong frame for only the most recently processed Ping frame."
        _frame.Release();
        _frame.Append(Opcode.Pong, payload);
    }

    /// <summary>Appends the Pong, if there is one, to what is pending.</summary>
    public void MoveTo(ref PendingFrames pending) => _frame.MoveTo(ref pending);

    /// <summary>Drops the Pong.</summary>
    public void Release() => _frame.Release();
}
