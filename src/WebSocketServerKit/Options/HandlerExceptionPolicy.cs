namespace WebSocketServerKit;

/// <summary>What happens to a client when a handler of the host application throws for it.</summary>
public enum HandlerExceptionPolicy
{
    /// <summary>The client is closed with 1011: after a failure nobody knows what state its conversation is in.</summary>
    CloseClient,

    /// <summary>The client stays and its next message is raised as if nothing had happened.</summary>
    KeepClient,
}
