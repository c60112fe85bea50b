using System.Buffers;

namespace WebSocketServerKit.Connections.Sending;

/// <summary>
/// The turn of a message that is sent in fragments. Whole messages that are accepted meanwhile are pending behind it.
/// <para>Invariants: it exists from the moment when a sender gets the turn to the message's last fragment. The lock of the <see cref="SendQueue"/> guards it.</para>
/// </summary>
internal sealed class FragmentTurn(ArrayPool<byte> pool)
{
    /// <summary>The messages that follow the last fragment.</summary>
    /// <remarks>5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message".</remarks>
    public PendingFrames Behind = new(pool);

    /// <summary>Whether a fragment was sent. Before that, the message can be taken back.</summary>
    public bool HasBegun { get; set; }
}
