using System.Net.Security;
using System.Net.Sockets;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>A stream as a carrier. Only a <see cref="NetworkStream"/> and an <see cref="SslStream"/> can end one direction.</summary>
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

    /// <summary>Disposes of the stream, which also ends a pending read or write.</summary>
    public async ValueTask CloseAsync(bool isCut, Task whenUnused)
    {
        if (isCut)
            abort?.Invoke();
        if (isCut && stream is NetworkStream { Socket: var socket })
        {
            // Closing with a linger time of zero sends a RST. The stream itself would send a FIN first.
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
            socket.Dispose();
        }

        await stream.DisposeAsync().ConfigureAwait(false);
    }
}
