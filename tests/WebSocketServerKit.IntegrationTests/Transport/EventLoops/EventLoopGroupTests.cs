using System.Buffers;
using System.Net.Sockets;
using System.Runtime.Versioning;
using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.Transport.EventLoops;

[SupportedOSPlatform("linux")]
public sealed class EventLoopGroupTests
{
    public EventLoopGroupTests() => LinuxOnly.Demand();

    [Fact]
    public async Task Each_client_goes_to_the_loop_with_the_fewest()
    {
        EventLoopGroup loops = new(3, ArrayPool<byte>.Shared, new SliceClock(_ => { }));
        await using AcceptedConnections server = AcceptedConnections.OnLoopback(loops.AcceptFrom);
        List<(Socket Peer, TransportConnection Connection)> all = [];
        for (int i = 0; i < 9; i++)
            all.Add(await server.ConnectAsync());
        Assert.Equal([3, 3, 3], loops.Counts);
        for (int i = 0; i < 9; i += 3)
            await all[i].Connection.DisposeAsync();
        all.Add(await server.ConnectAsync());
        all.Add(await server.ConnectAsync());
        Assert.Equal([2, 3, 3], loops.Counts);
        foreach ((Socket peer, _) in all)
            peer.Dispose();
        loops.Stop();
        loops.Stop();
    }
}
