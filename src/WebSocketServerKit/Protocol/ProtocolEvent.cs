namespace WebSocketServerKit.Protocol;

/// <summary>What <see cref="ServerProtocol.Step"/> found next in the input.</summary>
internal enum ProtocolEvent : byte
{
    /// <summary>The input is used up; nothing to tell until more comes.</summary>
    None,

    /// <summary>A bounded part of a long piece of work is done. Step again, even if the input is used up; nothing of the last input may be given back before that.</summary>
    Unfinished,

    /// <summary>A whole text or binary message: <see cref="ServerProtocol.Payload"/>, <see cref="ServerProtocol.MessageType"/>.</summary>
    Message,

    /// <summary>A Ping: answer with its <see cref="ServerProtocol.Payload"/>.</summary>
    Ping,

    /// <summary>A Pong with its <see cref="ServerProtocol.Payload"/>.</summary>
    Pong,

    /// <summary>The peer's Close: <see cref="ServerProtocol.CloseCode"/>, <see cref="ServerProtocol.CloseReason"/>. The last event.</summary>
    Close,

    /// <summary>A broken rule: <see cref="ServerProtocol.Violation"/>. The last event.</summary>
    Violation,
}
