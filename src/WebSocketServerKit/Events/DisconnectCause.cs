namespace WebSocketServerKit;

/// <summary>Why a client is no longer connected. The first cause counts.</summary>
public enum DisconnectCause
{
    /// <summary>One side sent a Close frame; <see cref="ClientDisconnectedEventArgs.ClosedBy"/> tells which.</summary>
    Closed,

    /// <summary>The connection ended without a Close frame: the program was killed, the network failed, the browser tab crashed.</summary>
    ConnectionLost,

    /// <summary>
    /// The client broke a rule of the protocol; the close code and the reason say which. Or a message of it was not the JSON that <see cref="MessageReceivedEventArgs.ReadJson"/> was to read (1007).
    /// </summary>
    ProtocolViolation,

    /// <summary>The client was silent for <see cref="WebSocketServerOptions.PingInterval"/> and did not answer a ping within <see cref="WebSocketServerOptions.PingTimeout"/>.</summary>
    PingTimeout,

    /// <summary>The client took no pending bytes for <see cref="WebSocketServerOptions.PingInterval"/> and <see cref="WebSocketServerOptions.PingTimeout"/> together.</summary>
    SendTimeout,

    /// <summary>A handler of the host application threw <see cref="ClientDisconnectedEventArgs.Exception"/>.</summary>
    HandlerFailed,

    /// <summary>The server was stopped.</summary>
    ServerStopping,

    /// <summary>The host application called <see cref="WebSocketClient.Abort"/>, or cancelled the token that it gave to AcceptAsync.</summary>
    Aborted,

    /// <summary>
    /// A message that was sent while it was being written could not be finished, because its writer threw <see cref="ClientDisconnectedEventArgs.Exception"/>.
    /// </summary>
    MessageUnfinished,

    /// <summary>
    /// The server held more bytes than <see cref="WebSocketServerOptions.MaxBufferedBytes"/>, and this client was one of those for which it held most. The close code is 1013
    /// (<see cref="CloseCode.TryAgainLater"/>).
    /// </summary>
    MemoryBudgetExceeded,

    /// <summary>
    /// A message of the client exceeded <see cref="WebSocketServerOptions.MaxMessageSize"/> (close code 1009) or <see cref="WebSocketServerOptions.MaxFragmentsPerMessage"/> (1008), or, handed on while
    /// it was received, <see cref="WebSocketServerOptions.MaxStreamedMessageSize"/> (1009) or <see cref="WebSocketServerOptions.StreamedMessageTimeout"/> (1008). Or the client sent too much, and
    /// <see cref="WebSocketServerOptions.OverRate"/> is <see cref="RateLimitReaction.Close"/> (1008, <c>too many messages</c>).
    /// </summary>
    LimitExceeded,

    /// <summary>The client read too slowly, and <see cref="WebSocketServerOptions.SlowClients"/> is <see cref="SlowClientPolicy.Disconnect"/>. The close code is 1008.</summary>
    SlowClient,

    /// <summary>The time of <see cref="WebSocketClient.ExpiresAt"/> has come. The close code is 1008 (<see cref="CloseCode.PolicyViolation"/>).</summary>
    Expired,
}
