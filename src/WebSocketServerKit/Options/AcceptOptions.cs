using System.Net;

namespace WebSocketServerKit;

/// <summary>What a host knows of a connection that it brings with <see cref="WebSocketServer.AcceptAsync(Stream, AcceptOptions?, CancellationToken)"/>.</summary>
public sealed class AcceptOptions
{
    /// <summary>The client's address, for limits and handlers. Default: null, which is unknown. All clients without an IP address count as one remote address.</summary>
    public EndPoint? RemoteEndPoint { get; set; }

    /// <summary>
    /// The address that the client connected to. Default: null. Without an IP address the connection counts as one to a loopback address: see <see cref="WebSocketServerOptions.AllowedHosts"/>.
    /// </summary>
    public EndPoint? LocalEndPoint { get; set; }
}
