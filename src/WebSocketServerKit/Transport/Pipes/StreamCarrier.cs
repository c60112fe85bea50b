using System.Net.Security;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>A stream as a carrier. Of all streams only that of a socket and that of TLS can end one direction.</summary>
internal sealed class StreamCarrier(Stream stream, Action? abort = null) : ICarrier
{
    public bool CanEndWrites => stream is NetworkStream or SslStream;

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken over) => stream.ReadAsync(buffer, over);

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken over)
    {
        await stream.WriteAsync(bytes, over).ConfigureAwait(false);
        await stream.FlushAsync(over).ConfigureAwait(false);
    }

    public async ValueTask EndWritesAsync()
    {
        if (stream is NetworkStream network)
            network.Socket.Shutdown(SocketShutdown.Send);
        else if (stream is SslStream secure)
            await secure.ShutdownAsync().ConfigureAwait(false); // close_notify
    }

    /// <summary>Disposes of the stream, which also ends a read or a write that is under way.</summary>
    public async ValueTask CloseAsync(bool isCut, Task whenUnused)
    {
        if (isCut)
            abort?.Invoke();
        if (isCut && stream is NetworkStream { Socket: var socket })
        {
            // To close with a linger time of zero is to reset. The stream itself would send a FIN first.
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
            socket.Dispose();
        }

        await stream.DisposeAsync().ConfigureAwait(false);
    }
}
