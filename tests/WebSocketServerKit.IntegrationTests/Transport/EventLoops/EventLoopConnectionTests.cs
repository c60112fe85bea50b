using System.Buffers;
using System.Runtime.Versioning;
using WebSocketServerKit.Scheduling;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Transport.EventLoops;

[SupportedOSPlatform("linux")]
public sealed class EventLoopConnectionTests : SocketConnectionTests
{
    private EventLoopGroup? _loops;

    public EventLoopConnectionTests() => LinuxOnly.Demand();

    private protected override AcceptFactory Accept => (_loops ??= new EventLoopGroup(1, ArrayPool<byte>.Shared, new SliceClock(_ => { }))).AcceptFrom;

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _loops?.Stop();
    }
}
