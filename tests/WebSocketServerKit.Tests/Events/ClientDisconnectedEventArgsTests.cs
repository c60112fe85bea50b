using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Events;

public sealed class ClientDisconnectedEventArgsTests
{
    [Fact]
    public void It_tells_how_the_connection_ended()
    {
        using var bench = new ClientBench();
        WebSocketClient client = bench.Client();
        var exception = new IOException();
        var ending = new ConnectionEnding(DisconnectCause.HandlerFailed, ConnectionSide.Server, CloseCode.InternalError, "why", exception);
        var e = new ClientDisconnectedEventArgs(client, ending, wasClean: true);
        Assert.Equal((DisconnectCause.HandlerFailed, ConnectionSide.Server, CloseCode.InternalError, "why", true),
            (e.Cause, e.ClosedBy, e.CloseCode, e.CloseReason, e.WasClean));
        Assert.Same(client, e.Client);
        Assert.Same(exception, e.Exception);
    }
}
