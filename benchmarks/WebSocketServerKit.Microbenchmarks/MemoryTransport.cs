using System.IO.Pipelines;
using System.Net;
using System.Threading.Tasks.Sources;
using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>A connection without a network: what the client sends is handled before <see cref="Receive"/> returns, and what is sent to it is counted.</summary>
internal sealed class MemoryTransport : TransportConnection, IValueTaskSource
{
    private static readonly byte[] Request =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8.ToArray();

    // Whoever reads goes on within the call that brings the bytes.
    private readonly Pipe _input = new(new PipeOptions(readerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 0, useSynchronizationContext: false));

    private ManualResetValueTaskSourceCore<bool> _arrival;
    private bool _hasArrived; // bytes, since the last wait for them
    private bool _isWaitedFor;
    private long _bytesSent;

    /// <summary>How many bytes were sent to the client.</summary>
    public long BytesSent => Volatile.Read(ref _bytesSent);

    public override PipeReader Input => _input.Reader;

    public override EndPoint RemoteEndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 50_000);

    public override EndPoint LocalEndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 8080);

    /// <summary>Makes it a client of a server.</summary>
    public async Task ConnectAsync(WebSocketServer server, WebSocketServerOptions options)
    {
        ClientSession session = new(server, new ServerRun(server, options, new ServerLog(NullLogger.Instance)), this, expectsProxyHeader: false);
        _ = session.RunAsync();
        // Once it waits for the request, everything happens within Receive; Exchange would see it if not.
        await Task.Delay(100);
        Receive(Request);
    }

    /// <summary>The client sends frames, and gets their echoes.</summary>
    public void Exchange(ReadOnlySpan<byte> frames, long echoSize)
    {
        long expected = BytesSent + echoSize;
        Receive(frames);
        // As a rule all are back by now. Where this thread was taken off its core the connection's slice is over, and the rest comes on another thread.
        while (BytesSent < expected)
            Thread.Yield();
        if (BytesSent > expected)
            throw new InvalidOperationException("More came back than was sent.");
    }

    /// <summary>The client sends.</summary>
    public void Receive(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_input.Writer.GetSpan(bytes.Length));
        _input.Writer.Advance(bytes.Length);
        ValueTask<FlushResult> flush = _input.Writer.FlushAsync();
        if (!flush.IsCompletedSuccessfully)
            throw new InvalidOperationException("Nothing holds this writer back.");
        _hasArrived = true;
        if (_isWaitedFor)
        {
            _isWaitedFor = false;
            _arrival.SetResult(true);
        }
    }

    public override ValueTask WaitToReadAsync()
    {
        bool hasArrived = _hasArrived;
        _hasArrived = false;
        if (hasArrived)
            return default;
        _arrival.Reset();
        _isWaitedFor = true;
        return new ValueTask(this, _arrival.Version);
    }

    void IValueTaskSource.GetResult(short token)
    {
        _hasArrived = false;
        _arrival.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _arrival.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _arrival.OnCompleted(continuation, state, token, flags);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        Volatile.Write(ref _bytesSent, _bytesSent + bytes.Length);
        return default;
    }

    public override bool HasUnread => false;

    public override bool HasPeerEnded => false;

    public override long BytesTaken => BytesSent;

    public override int TryReceive(Span<byte> buffer, out bool ended)
    {
        ended = false;
        return 0;
    }

    public override void ReleaseIdle()
    {
    }

    public override int ForgetBuffers() => 0;

    public override void ShutdownSend()
    {
    }

    public override void Abort()
    {
    }

    public override ValueTask DisposeAsync() => default;
}
