using System.Net.WebSockets;
using WebSocketServerKit.Connections.Receiving;

namespace WebSocketServerKit;

/// <summary>
/// A message of a client that is read while it is being received: see <see cref="WebSocketServer.OnMessageStream(Func{WebSocketClient, MessageStream, ValueTask})"/>. Read-only and forward-only; it
/// ends where the message ends. While nobody reads, the server receives nothing more from the client, so TCP slows the client down.
/// </summary>
/// <remarks>
/// <para>
/// It is valid until its handler has ended. What the handler has not read by then is passed over, still within the limits; so is the rest after <see cref="Stream.DisposeAsync"/>.
/// One read at a time, by the asynchronous methods: <see cref="Stream.ReadAsync(Memory{byte}, CancellationToken)"/>, <see cref="Stream.CopyToAsync(Stream)"/>, a <see cref="StreamReader"/>.
/// A read that is cancelled loses nothing: the next one goes on.
/// </para>
/// <para>
/// A read throws an <see cref="IOException"/> if the rest of the message does not come: the client has closed or lost the connection, has broken a rule (such as bytes of a text that are not UTF-8)
/// or a limit, or the server closes the connection. What was read before is then only a part of the message. A handler need not catch it: it is logged at Debug.
/// </para>
/// </remarks>
public sealed class MessageStream : Stream
{
    private readonly MessageParts _parts;
    private bool _isDisposed;

    internal MessageStream(WebSocketClient client, MessageParts parts)
    {
        Client = client;
        _parts = parts;
    }

    /// <summary>The client that sends the message.</summary>
    public WebSocketClient Client { get; }

    /// <summary><see cref="WebSocketMessageType.Text"/> or <see cref="WebSocketMessageType.Binary"/>.</summary>
    public WebSocketMessageType MessageType => _parts.MessageType;

    /// <summary>Whether it is a text message. Its bytes are valid UTF-8 as far as they are read; a character may be split between two reads.</summary>
    public bool IsText => MessageType == WebSocketMessageType.Text;

    /// <inheritdoc/>
    public override bool CanRead => !Volatile.Read(ref _isDisposed);

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <summary>Not supported: the length is not known before the end.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override long Length => throw CannotSeek();

    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override long Position { get => throw CannotSeek(); set => throw CannotSeek(); }

    /// <summary>Reads some bytes of the message, and waits until there are any. 0 at the end of the message.</summary>
    /// <param name="buffer">Gets the bytes.</param>
    /// <param name="cancellationToken">Ends the wait. Nothing is lost.</param>
    /// <exception cref="IOException">The rest of the message does not come.</exception>
    /// <exception cref="InvalidOperationException">Another read has not ended.</exception>
    /// <exception cref="ObjectDisposedException">The handler has ended, or the stream is disposed of.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
#pragma warning disable RS0027 // the overloads are those of Stream
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _parts.ReadAsync(buffer, cancellationToken);
#pragma warning restore RS0027

    /// <inheritdoc cref="ReadAsync(Memory{byte}, CancellationToken)"/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return _parts.ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <summary>Not supported: reading may have to wait for the client, and must not block a thread for that. Use <see cref="ReadAsync(Memory{byte}, CancellationToken)"/>.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override int Read(byte[] buffer, int offset, int count) => throw MayWait();

    /// <inheritdoc cref="Read(byte[], int, int)"/>
    public override int Read(Span<byte> buffer) => throw MayWait();

    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override long Seek(long offset, SeekOrigin origin) => throw CannotSeek();

    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override void SetLength(long value) => throw CannotSeek();

    /// <summary>Not supported.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("A message of a client can only be read. To answer, call SendAsync of the client.");

    /// <summary>Does nothing.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        Volatile.Write(ref _isDisposed, true);
        _parts.Close();
        base.Dispose(disposing);
    }

    private static NotSupportedException MayWait() =>
        new("Reading may have to wait for the client, and must not block a thread for that. Use ReadAsync or CopyToAsync.");

    private static NotSupportedException CannotSeek() => new("A message is read while it comes: there is no going back, and its length is not known before its end.");
}
