namespace WebSocketServerKit;

/// <summary>What the server does with a client when one of your handlers throws for it. Set it by <see cref="WebSocketServerOptions.HandlerExceptions"/>.</summary>
public enum HandlerExceptionPolicy
{
    /// <summary>Closes the client with 1011 (internal error), because after an exception the state of its conversation is unknown.</summary>
    CloseClient,

    /// <summary>Keeps the client. Its next message is raised as usual.</summary>
    KeepClient,
}
