namespace WebSocketServerKit.Connections.Sending;

/// <summary>What a sender asks a <see cref="SendQueue"/> for.</summary>
internal enum SendKind : byte
{
    /// <summary>To send a whole message.</summary>
    Message,

    /// <summary>To get the turn for a message in fragments. It has no bytes.</summary>
    Turn,

    /// <summary>To send one fragment of the message that has the turn.</summary>
    Fragment,

    /// <summary>To send the last fragment, which ends the turn.</summary>
    LastFragment,
}
