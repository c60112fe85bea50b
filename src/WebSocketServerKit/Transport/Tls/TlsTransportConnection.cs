using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;

namespace WebSocketServerKit.Transport.Tls;

/// <summary>A connection over TLS, on top of any other connection. The cryptography is that of <see cref="SslStream"/>.</summary>
/// <remarks>One write makes one record, or several of the largest size; nothing is held back.</remarks>
internal sealed class TlsTransportConnection : TransportConnection
{
    private readonly TransportConnection _connection;
    private readonly TlsAuthentication _authentication;
    private readonly CipherStream _cipher;
    private readonly SslStream _stream;
    private readonly TlsInput _input;
    private TlsSession? _session;
    private Task? _ending; // from ShutdownSend on
    private int _disposed;

    /// <summary>Takes ownership of the connection. Nothing is read or written until <see cref="AuthenticateAsync"/>.</summary>
    public TlsTransportConnection(TransportConnection connection, TlsAuthentication authentication, ArrayPool<byte> pool)
    {
        _connection = connection;
        _authentication = authentication;
        _cipher = new CipherStream(connection);
        _stream = new SslStream(_cipher, leaveInnerStreamOpen: true);
        _input = new TlsInput(connection, _stream, _cipher, pool);
    }

    public override PipeReader Input => _input;

    public override TransportConnection Underlying => _connection;

    public override bool? IsSecure => true;

    public override bool IsReady => Volatile.Read(ref _session) is not null;

    public override TlsSession? Tls => Volatile.Read(ref _session);

    public override EndPoint RemoteEndPoint => _connection.RemoteEndPoint;

    public override IPAddress RemoteAddress => _connection.RemoteAddress;

    public override EndPoint LocalEndPoint => _connection.LocalEndPoint;

    public override bool HasUnread => _connection.HasUnread;

    public override bool HasReceived => _connection.HasReceived;

    public override bool HasPeerEnded => _connection.HasPeerEnded;

    public override long BytesTaken => _connection.BytesTaken;

    public override int HeldBytes => _input.HeldBytes + _connection.HeldBytes;

    public override void Start(IThreadPoolWorkItem user) => _connection.Start(user);

    public override ValueTask WaitToReadAsync() => _input.WaitToReadAsync();

    public override async ValueTask AuthenticateAsync()
    {
        await _authentication.RunAsync(_stream).ConfigureAwait(false);
        _cipher.EndWaits();
        Volatile.Write(ref _session, new TlsSession(_stream));
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) =>
        _ending is null ? _stream.WriteAsync(bytes) : ValueTask.FromException(TransportErrors.ConnectionLost(new ObjectDisposedException(nameof(TransportConnection))));

    public override int TryReceive(Span<byte> buffer, out bool ended) => _input.TryReceive(buffer, out ended);

    public override void SetSendBuffer(int size, bool isWish) => _connection.SetSendBuffer(size, isWish);

    public override void ReleaseIdle() => _connection.ReleaseIdle();

    // The connection's buffer has ciphertext only, which no handler reads.
    public override int ForgetBuffers() => _input.ForgetBuffer();

    public override void ShutdownSend() => _ending ??= EndAsync();

    public override void Abort() => _connection.Abort();

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        // What still waits for the peer is cut: a close_notify that it does not take, a wait that read-ahead has begun.
        Task over = Task.WhenAll(_ending ?? Task.CompletedTask, _input.WhenNotWaiting());
        if (!over.IsCompleted)
            _connection.Abort();
        await over.ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
        _input.Complete();
        await _connection.DisposeAsync().ConfigureAwait(false);
    }

    // RFC 8446 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the connection".
    private async Task EndAsync()
    {
        try
        {
            if (IsReady)
                await _stream.ShutdownAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The connection is lost, and the reader finds that out too.
        }

        _connection.ShutdownSend();
    }
}
