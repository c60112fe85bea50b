using System.Net.Sockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Sockets;

public sealed class TcpInfoTests : IAsyncLifetime
{
    private AcceptedConnections _server = null!;
    private Socket _client = null!;
    private TransportConnection _connection = null!;

    private static CancellationToken Token => AcceptedConnections.Timely;

    public async ValueTask InitializeAsync()
    {
        _server = AcceptedConnections.OnLoopback();
        (_client, _connection) = await _server.ConnectAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task The_bytes_that_the_peer_has_acknowledged_are_told()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells.");
        Assert.True(TcpInfo.TryGet(_client, out TcpInfo before));
        await _client.SendAsync(new byte[1000], Token);
        await Polling.UntilAsync(() => TcpInfo.TryGet(_client, out TcpInfo now) && now.BytesAcknowledged == before.BytesAcknowledged + 1000);
    }

    [Fact]
    public async Task The_peers_end_is_told_though_bytes_before_it_lie_unread()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells.");
        await _client.SendAsync("unread"u8.ToArray(), Token);
        await Polling.UntilAsync(() => _connection.HasUnread);
        Assert.False(_connection.HasPeerEnded);
        _client.Shutdown(SocketShutdown.Send);
        await Polling.UntilAsync(() => _connection.HasPeerEnded);
        Assert.True(_connection.HasUnread);
    }

    [Fact]
    public async Task So_is_a_reset()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells.");
        await _client.SendAsync("unread"u8.ToArray(), Token);
        _client.LingerState = new LingerOption(enable: true, seconds: 0);
        _client.Dispose();
        await Polling.UntilAsync(() => _connection.HasPeerEnded);
    }

    [Fact]
    public void A_socket_that_is_closed_tells_nothing()
    {
        _client.Dispose();
        Assert.False(TcpInfo.TryGet(_client, out _));
    }
}
