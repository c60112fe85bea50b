using System.IO.Pipelines;
using System.Net;

namespace WebSocketServerKit.Transport;

/// <summary>
/// One accepted connection as the layers above see it: a reader, a write, a half-close and a cut. Sockets, streams and pipes look alike.
/// </summary>
/// <remarks>
/// <para>
/// Threading: one reader at a time and one writer at a time, both at once if they like; <see cref="Abort"/> and the end points from any
/// thread at any time.
/// </para>
/// <para>
/// Errors: a lost connection is always an <see cref="IOException"/>, from <see cref="Input"/> and from <see cref="WriteAsync"/>, no
/// matter whether the peer reset it, the network failed or <see cref="Abort"/> cut it. Inside is the
/// <see cref="System.Net.Sockets.SocketException"/>, or an <see cref="ObjectDisposedException"/> when this side had closed the socket
/// before the call. <see cref="TransportErrors.DescribeLoss"/> puts it into words.
/// </para>
/// </remarks>
internal abstract class TransportConnection : IAsyncDisposable
{
    /// <summary>
    /// The bytes from the peer. Its FIN completes the reader; a lost connection throws <see cref="IOException"/>. The owner never completes
    /// it: disposing does.
    /// </summary>
    /// <remarks>The system tells of a reset once. When a write hears it first, the reader just completes, as after a FIN.</remarks>
    public abstract PipeReader Input { get; }

    /// <summary>
    /// The peer's address. An IPv4 client of a dual-mode listener is shown with its IPv4 address. Stays valid after the connection has
    /// ended.
    /// </summary>
    public abstract EndPoint RemoteEndPoint { get; }

    /// <summary>
    /// The address the peer connected to, shown like <see cref="RemoteEndPoint"/>. Stays valid after the connection has ended.
    /// </summary>
    public abstract EndPoint LocalEndPoint { get; }

    /// <summary>
    /// Sends all the bytes; completes when the operating system has taken the last one. Await it before the next call, and only once.
    /// </summary>
    /// <exception cref="IOException">
    /// The connection is lost, or <see cref="ShutdownSend"/> was called. Some of the bytes may have left.
    /// </exception>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> bytes);

    /// <summary>
    /// Sends as many of the bytes as the operating system takes without waiting, and tells how many those were. What keeps it from taking any is told by
    /// <see cref="WriteAsync"/>, with the rest of them.
    /// </summary>
    public virtual int TryWrite(ReadOnlySpan<byte> bytes) => 0;

    /// <summary>
    /// Receives what is there already into <paramref name="buffer"/>, past <see cref="Input"/>. Only while nobody reads there, and everything that it had has been handed out.
    /// </summary>
    /// <param name="buffer">Where to; not empty.</param>
    /// <param name="ended">Whether the peer has ended its side, and nothing more comes.</param>
    /// <returns>How many bytes; 0 when none are there.</returns>
    /// <exception cref="IOException">The connection is lost.</exception>
    public abstract int TryReceive(Span<byte> buffer, out bool ended);

    /// <summary>Whether bytes from the peer have arrived that nobody has received yet. From any thread; false when the connection has ended.</summary>
    public abstract bool HasUnread { get; }

    /// <summary>
    /// Whether the peer has ended its side or reset the connection, as far as the system tells without reading up to there. From any thread. False where it does not tell.
    /// </summary>
    public abstract bool HasPeerEnded { get; }

    /// <summary>
    /// A number that grows while the peer takes what is sent to it: the bytes that it has acknowledged, or where the system does not tell, those that the system has taken. From
    /// any thread.
    /// </summary>
    public abstract long BytesTaken { get; }

    /// <summary>Bytes of memory that it holds. From any thread.</summary>
    public virtual int HeldBytes => 0;

    /// <summary>The owner has found the peer silent: what waits for its next byte shall hold no buffer. From any thread.</summary>
    public abstract void ReleaseIdle();

    /// <summary>
    /// Leaves the memory that it holds to whoever still uses it: handlers that read what <see cref="Input"/> has given out, or after the end of the connection a stream that goes on. It is not
    /// used again and does not go back to the pool. While nobody reads the input.
    /// </summary>
    /// <returns>How many bytes it was.</returns>
    public abstract int ForgetBuffers();

    /// <summary>
    /// Ends our direction: the peer reads what was written and then the end. Call it when no write is pending. Never throws: a peer that is
    /// gone needs no FIN.
    /// </summary>
    public abstract void ShutdownSend();

    /// <summary>
    /// Cuts the connection now: the peer gets a RST, unsent bytes are lost, a pending read or write ends with <see cref="IOException"/>.
    /// Never throws; again does nothing.
    /// </summary>
    public abstract void Abort();

    /// <summary>
    /// Closes the connection and gives the reader's buffers back, so call it only when nobody reads any more: <see cref="Abort"/> first,
    /// wait for the reader, then dispose. TCP sends a RST instead of a FIN when bytes from the peer are still unread. Again does nothing.
    /// </summary>
    public abstract ValueTask DisposeAsync();
}
