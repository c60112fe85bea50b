using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;

namespace WebSocketServerKit.Connections;

// What happens when the client reads too slowly.
internal abstract partial class ConnectionLifetime : ISlowReadingListener
{
    private const int SmallestSendBuffer = 16 * 1024;
    private const int LargestSendBuffer = 256 * 1024;

    // What the system has taken can be neither dropped nor replaced. So it must not take more than the queue does.
    private void LimitSendBuffer()
    {
        if (Settings.SendBufferSize is { } size)
            Transport.SetSendBuffer(size, isWish: true);
        else if (Settings.SlowClients != SlowClientPolicy.Wait)
            Transport.SetSendBuffer(Math.Clamp(Settings.SendQueueLimit, SmallestSendBuffer, LargestSendBuffer), isWish: false);
    }

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
