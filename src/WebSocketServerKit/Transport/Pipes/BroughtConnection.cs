using System.Net;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>A connection that the host brings.</summary>
internal abstract class BroughtConnection(EndPoint? remoteEndPoint, EndPoint? localEndPoint, HostFacts? facts) : TransportConnection
{
    public override EndPoint RemoteEndPoint { get; } = EndPointAddress.Shown(remoteEndPoint);

    public override EndPoint LocalEndPoint { get; } = EndPointAddress.Shown(localEndPoint);

    public override HostFacts? Facts => facts;

    /// <summary>Takes ownership of the carrier, which is not touched before. Call it once, before anything else.</summary>
    public abstract void Start();

    /// <summary>Completes when the carrier is closed, however long that takes. Call it after <see cref="TransportConnection.DisposeAsync"/>. Never fails.</summary>
    public abstract Task WhenClosed();
}
