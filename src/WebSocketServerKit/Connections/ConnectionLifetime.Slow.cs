using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Closing;

namespace WebSocketServerKit.Connections;

// What happens when the client reads too slowly.
internal abstract partial class ConnectionLifetime : ISlowReadingListener
{
    void ISlowReadingListener.MessagesDropped(int count) => Settings.SendTotals.Drop(count);

    void ISlowReadingListener.MessageReplaced() => Settings.SendTotals.Replace();

    void ISlowReadingListener.SlowReadingChanged(bool isSlow) => Notify(new Notice(isSlow ? NoticeKind.SlowBegan : NoticeKind.SlowEnded));

    void ISlowReadingListener.ReadsTooSlowly()
    {
        var ending = new ConnectionEnding(DisconnectCause.SlowClient, ConnectionSide.Server, CloseCode.PolicyViolation, "client reads too slowly");
        if (IsOpen && TryEnd(ending))
            Closing.BeginForSlowClient(ending, _answered);
    }
}
