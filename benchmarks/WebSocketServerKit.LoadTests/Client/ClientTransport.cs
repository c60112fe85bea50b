using System.Net.Sockets;

namespace WebSocketServerKit.LoadTests.Client;

/// <summary>The bytes of one connection that does not block: as they are, or protected in a derived class.</summary>
internal class ClientTransport(Socket socket) : IDisposable
{
    public Socket Socket { get; } = socket;

    /// <summary>Whether bytes that were taken wait until the socket can be written; then <see cref="Flush"/> sends them.</summary>
    public virtual bool AwaitsRoom => false;

    /// <summary>Gives what one receive call of the socket brings; 0 without an error is the end.</summary>
    public virtual int Receive(Span<byte> buffer, out SocketError error) => Socket.Receive(buffer, SocketFlags.None, out error);

    /// <summary>Sends with one send call of the socket, and gives how many bytes were taken.</summary>
    public virtual int Send(ReadOnlySpan<byte> bytes, out SocketError error) => Socket.Send(bytes, SocketFlags.None, out error);

    public virtual void Flush()
    {
    }

    public virtual void Dispose() => Socket.Dispose();
}
