using System.Net;

namespace WebSocketServerKit;

/// <summary>The connection of a trusted proxy that speaks for a client. Immutable; it stays valid after the client has left.</summary>
public sealed class ProxyConnection
{
    /// <param name="remoteEndPoint">The proxy's end point.</param>
    /// <param name="localEndPoint">The end point that the proxy has connected to.</param>
    /// <param name="header">The header of the PROXY protocol, or null.</param>
    internal ProxyConnection(EndPoint remoteEndPoint, EndPoint localEndPoint, ProxyHeader? header)
    {
        RemoteEndPoint = remoteEndPoint;
        LocalEndPoint = localEndPoint;
        Header = header;
        ClientRemoteEndPoint = header?.Source ?? remoteEndPoint;
        ClientLocalEndPoint = header?.Destination ?? localEndPoint;
    }

    /// <summary>The proxy's end point. <see cref="WebSocketClient.RemoteEndPoint"/> is the client's.</summary>
    public EndPoint RemoteEndPoint { get; }

    /// <summary>The end point of this machine that the proxy has connected to.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>The header of the PROXY protocol, with the values that the proxy has added; null if the proxy speaks HTTP only.</summary>
    public ProxyHeader? Header { get; }

    /// <summary>The client's end point, as far as the proxies have told it.</summary>
    internal EndPoint ClientRemoteEndPoint { get; private init; }

    /// <summary>The end point that the client has connected to, as far as it is known.</summary>
    internal EndPoint ClientLocalEndPoint { get; private init; }

    /// <summary>The same connection, with the client that the HTTP headers tell.</summary>
    internal ProxyConnection WithClient(EndPoint client) =>
        new(RemoteEndPoint, LocalEndPoint, Header) { ClientRemoteEndPoint = client, ClientLocalEndPoint = ClientLocalEndPoint };
}
