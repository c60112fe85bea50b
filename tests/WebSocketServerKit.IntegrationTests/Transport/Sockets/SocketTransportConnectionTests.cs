using System.Buffers;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Sockets;

public sealed class SocketTransportConnectionTests : SocketConnectionTests
{
    private protected override TransportConnection? Connect(Socket socket, SocketSettings settings) =>
        SocketTransportConnection.TryCreate(socket, settings, ArrayPool<byte>.Shared);
}
