using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;

namespace WebSocketServerKit.Transport;

/// <summary>
/// The seam between connections and what carries their bytes. One accepted connection: a reader, writes, a half-close and a cut. Each transport is a subclass.
/// </summary>
/// <remarks>
/// <para>
/// Threading: one reader and one writer at a time; they may run concurrently. <see cref="Abort"/>, the end points and the members marked "from any thread" may be
/// used from any thread at any time.
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
    /// <remarks>The system reports a reset only once. If a write gets it, the reader just completes, as after a FIN.</remarks>
    public abstract PipeReader Input { get; }

    /// <summary>Waits until <see cref="Input"/> has bytes that were not examined, or has ended, so that its <see cref="PipeReader.TryRead"/> succeeds.</summary>
    /// <remarks>It has no result, because the state machine of an idle connection stores its awaiter.</remarks>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public virtual async ValueTask WaitToReadAsync()
    {
        ReadResult read = await Input.ReadAsync().ConfigureAwait(false);
        Input.AdvanceTo(read.Buffer.Start);
    }

    /// <summary>
    /// The peer's address. An IPv4 client of a dual-mode listener is shown with its IPv4 address. Stays valid after the connection has
    /// ended.
    /// </summary>
    public abstract EndPoint RemoteEndPoint { get; }

    /// <summary>
    /// The address the peer connected to, shown like <see cref="RemoteEndPoint"/>. Stays valid after the connection has ended.
    /// </summary>
    public abstract EndPoint LocalEndPoint { get; }

    /// <summary>The IP address of <see cref="RemoteEndPoint"/>, or <see cref="EndPointAddress.None"/>.</summary>
    public virtual IPAddress RemoteAddress => EndPointAddress.Of(RemoteEndPoint);

    /// <summary>What the host has told of a connection that it brings; null for one that the server has accepted itself.</summary>
    public virtual HostFacts? Facts => null;

    /// <summary>The connection below, if this one encrypts another one; else this one. What comes before the TLS handshake is read and written there.</summary>
    public virtual TransportConnection Underlying => this;

    /// <summary>Whether the client speaks TLS: here, or to whoever has brought the connection. Null if that is not known.</summary>
    public virtual bool? IsSecure => Facts?.IsSecure;

    /// <summary>Whether <see cref="WriteAsync"/> may be called: for a connection over TLS, whether the TLS handshake is over. From any thread.</summary>
    public virtual bool IsReady => true;

    /// <summary>What the TLS handshake has agreed on; null before it, and without TLS.</summary>
    public virtual TlsSession? Tls => null;

    /// <summary>Calls the code that uses the connection, on a thread that may run handlers, and not before it returns. Call it once, before any read.</summary>
    public virtual void Start(IThreadPoolWorkItem user) => ThreadPool.UnsafeQueueUserWorkItem(user, preferLocal: false);

    /// <summary>The TLS handshake, if there is one. Call it once, before anything is read or written here.</summary>
    /// <exception cref="System.Security.Authentication.AuthenticationException">The peer does not agree, or its certificate is refused.</exception>
    /// <exception cref="IOException">The connection is lost.</exception>
    public virtual ValueTask AuthenticateAsync() => default;

    /// <summary>
    /// Sends all bytes. Completes when the operating system has taken the last one. Await it once, before the next call.
    /// </summary>
    /// <exception cref="IOException">
    /// The connection is lost, or <see cref="ShutdownSend"/> was called. Some of the bytes may have left.
    /// </exception>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> bytes);

    /// <summary>
    /// Sends as many of the bytes as the operating system takes without waiting, and returns their number. Never throws: <see cref="WriteAsync"/> of the rest
    /// reports the error.
    /// </summary>
    public virtual int TryWrite(ReadOnlySpan<byte> bytes) => 0;

    /// <summary>
    /// Receives bytes that have arrived, without waiting, bypassing <see cref="Input"/>. Call it only while nobody reads <see cref="Input"/> and after it has
    /// handed out all its bytes.
    /// </summary>
    /// <param name="buffer">The destination; not empty.</param>
    /// <param name="ended">Whether the peer has ended its side.</param>
    /// <returns>The number of bytes; 0 if none have arrived.</returns>
    /// <exception cref="IOException">The connection is lost.</exception>
    public abstract int TryReceive(Span<byte> buffer, out bool ended);

    /// <summary>Whether the socket has unread bytes. From any thread; false when the connection has ended.</summary>
    public abstract bool HasUnread { get; }

    /// <summary>Whether bytes of the peer have arrived that <see cref="Input"/> has not handed out. Polled from any thread during the opening handshake.</summary>
    // In this order: bytes that are no longer unread are in a buffer, which was rented before they were received.
    public virtual bool HasReceived => HasUnread || HeldBytes > 0;

    /// <summary>
    /// Whether the peer has ended its side or reset the connection, even if unread bytes precede that. From any thread. False on systems that do not tell.
    /// </summary>
    public abstract bool HasPeerEnded { get; }

    /// <summary>
    /// A measure of the peer's progress: the bytes that it has acknowledged, or, on systems that do not tell, the bytes that the system has taken. From any thread.
    /// </summary>
    public abstract long BytesTaken { get; }

    /// <summary>The bytes of memory that its buffers take. From any thread.</summary>
    public virtual int HeldBytes => 0;

    /// <summary>Lets a pending read release its buffer, because the peer is idle. From any thread.</summary>
    public abstract void ReleaseIdle();

    /// <summary>
    /// Gives up its buffers without returning them to the pool, because somebody may still use them: a handler that reads what <see cref="Input"/> has handed out, or an abandoned call of the
    /// host's stream. Call it while nobody reads the input.
    /// </summary>
    /// <returns>The size of the buffers.</returns>
    public abstract int ForgetBuffers();

    /// <summary>Sets the size of the system's send buffer, if there is one. Never throws.</summary>
    /// <param name="size">Bytes.</param>
    /// <param name="isWish">False for a size that is only a default: it does not replace one that was set for the place where the connection came.</param>
    public virtual void SetSendBuffer(int size, bool isWish)
    {
    }

    /// <summary>
    /// A half-close: sends a FIN after the written bytes. Call it when no write is pending. Never throws.
    /// </summary>
    public abstract void ShutdownSend();

    /// <summary>
    /// Cuts the connection now: the peer gets a RST, unsent bytes are lost, a pending read or write ends with <see cref="IOException"/>.
    /// Never throws; further calls do nothing.
    /// </summary>
    public abstract void Abort();

    /// <summary>
    /// Closes the connection and returns the reader's buffers. Call it only when no read is pending: call <see cref="Abort"/>, wait for the reader, then dispose.
    /// TCP sends a RST instead of a FIN if bytes from the peer are unread. Further calls do nothing.
    /// </summary>
    public abstract ValueTask DisposeAsync();
}
