using System.Buffers;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Sockets;

public sealed class SocketTransportConnectionTests : SocketConnectionTests
{
    private protected override AcceptFactory Accept => TransportListener.AcceptWith(ArrayPool<byte>.Shared);

    [Fact]
    public void A_socket_whose_peer_is_gone_already_is_closed_and_no_connection_comes_of_it()
    {
        using var neverConnected = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        Assert.Null(SocketTransportConnection.TryCreate(neverConnected, SocketSettings.Default, ArrayPool<byte>.Shared));
        Assert.True(neverConnected.SafeHandle.IsClosed);
    }
}
