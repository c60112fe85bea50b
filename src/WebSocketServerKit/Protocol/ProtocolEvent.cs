namespace WebSocketServerKit.Protocol;

/// <summary>What <see cref="ServerProtocol.Step"/> found next in the input.</summary>
internal enum ProtocolEvent : byte
{
    /// <summary>The input is used up. Step again with more input.</summary>
    None,

    /// <summary>A part of long work (decompressing, or gathering a large message) is done. Step again, even if the input is used up, and keep the memory of the last input until then.</summary>
    Unfinished,

    /// <summary>A whole text or binary message: <see cref="ServerProtocol.Payload"/>, <see cref="ServerProtocol.MessageType"/>.</summary>
    Message,

    /// <summary>A part of a message that is handed on in parts: <see cref="ServerProtocol.Payload"/>, which is not empty. The first one begins the message.</summary>
    Part,

    /// <summary>The last part of such a message, which may be empty and may be the first one as well.</summary>
    LastPart,

    /// <summary>A whole message that was passed over: see <see cref="ServerProtocol.PassesOverNext"/>.</summary>
    PassedOver,

    /// <summary>A Ping: answer with its <see cref="ServerProtocol.Payload"/>.</summary>
    Ping,

    /// <summary>A Pong with its <see cref="ServerProtocol.Payload"/>.</summary>
    Pong,

    /// <summary>The peer's Close: <see cref="ServerProtocol.CloseCode"/>, <see cref="ServerProtocol.CloseReason"/>. The last event.</summary>
    Close,

    /// <summary>A broken rule: <see cref="ServerProtocol.Violation"/>. The last event.</summary>
    Violation,
}
