using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport.Sockets;

/// <summary>
/// The input of a socket. For a busy peer it receives directly into its buffer. For any other it waits with a zero-byte read and rents a buffer afterwards, so that an idle connection holds
/// no buffer: see <see cref="PeerActivity"/>.
/// </summary>
/// <remarks>One reader at a time. <see cref="ReleaseIdle"/> and <see cref="TransportInput.HeldBytes"/> may be used from any thread.</remarks>
internal sealed class SocketReader(Socket socket, ArrayPool<byte> pool) : TransportInput
{
    private PeerActivity _peer = new();

    /// <summary>Lets a pending read release its buffer. From any thread.</summary>
    public void ReleaseIdle() => _peer.ReleaseIdle();

    // An idle connection waits here: keep no locals across the first await.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    protected override async ValueTask ReceiveAsync()
    {
        try
        {
            while (true)
            {
                if (IsEmpty && !_peer.IsBusy)
                    ReleaseBuffer();
                if (!HasBuffer)
                {
                    await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None).ConfigureAwait(false);
                    if (TryReceive())
                        return;
                    // The wait has ended because of bytes that an earlier call has received. To wait with the buffer now would keep it for an idle peer.
                    ReleaseBuffer();
                    continue;
                }

                try
                {
                    CancellationToken silent = IsEmpty ? _peer.BeginWait() : default;
                    MakeRoom(free: 1, _peer.BufferSize);
                    Count(await socket.ReceiveAsync(Free, SocketFlags.None, silent).ConfigureAwait(false));
                    return;
                }
                catch (OperationCanceledException)
                {
                    _peer.BecameIdle();
                }
                finally
                {
                    _peer.EndWait();
                }
            }
        }
        catch (Exception lost) when (lost is SocketException or ObjectDisposedException)
        {
            throw TransportErrors.ConnectionLost(lost);
        }
    }

    protected override byte[] Rent(int minimumLength) => pool.Rent(minimumLength);

    protected override void Return(byte[] buffer) => pool.Return(buffer);

    // False if no bytes are there.
    private bool TryReceive()
    {
        MakeRoom(free: 1, _peer.BufferSize);
        int received = socket.Receive(Free.Span, SocketFlags.None, out SocketError error);
        if (error == SocketError.WouldBlock)
            return false;
        if (error != SocketError.Success)
            throw new SocketException((int)error);
        Count(received);
        return true;
    }

    private void Count(int received)
    {
        HasEnded = received == 0;
        _peer.HasRead(received == Free.Length ? HeldBytes : 0);
        Received(received);
    }
}
