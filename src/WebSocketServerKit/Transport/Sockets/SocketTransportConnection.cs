using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>
/// A connection over an accepted <see cref="Socket"/>: plain TCP or a Unix domain socket, on every platform. An idle connection holds no buffer: see
/// <see cref="SocketReader"/>.
/// </summary>
internal sealed class SocketTransportConnection : SocketConnection
{
    private readonly SocketReader _reader;

    private SocketTransportConnection(Socket socket, SocketSettings settings, ArrayPool<byte> pool)
        : base(socket, settings) => _reader = new SocketReader(socket, pool);

    public override PipeReader Input => _reader;

    public override int HeldBytes => _reader.HeldBytes;

    /// <summary>
    /// Takes ownership of an accepted socket. If the peer has left already, which some systems report only now, it closes the socket and returns null.
    /// </summary>
    public static SocketTransportConnection? TryCreate(Socket socket, SocketSettings settings, ArrayPool<byte> pool)
    {
        try
        {
            return new SocketTransportConnection(socket, settings, pool);
        }
        catch (Exception gone) when (gone is SocketException or IOException or ObjectDisposedException)
        {
            socket.Dispose();
            return null;
        }
    }

    public override ValueTask WaitToReadAsync() => _reader.WaitToReadAsync();

    public override void ReleaseIdle() => _reader.ReleaseIdle();

    public override int ForgetBuffers() => _reader.ForgetBuffer();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    protected override async ValueTask FinishWriteAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[Sent(await Socket.SendAsync(bytes).ConfigureAwait(false))..];
            }
        }
        catch (Exception lost) when (lost is SocketException or ObjectDisposedException)
        {
            throw TransportErrors.ConnectionLost(lost);
        }
    }
}
