using System.IO.Pipelines;
using System.Net;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.TestKit;

/// <summary>A connection of which a test needs a few members only: all others throw.</summary>
internal abstract class TransportStub : TransportConnection
{
    public override PipeReader Input => throw new NotSupportedException();

    public override EndPoint RemoteEndPoint => throw new NotSupportedException();

    public override EndPoint LocalEndPoint => throw new NotSupportedException();

    public override bool HasUnread => throw new NotSupportedException();

    public override bool HasPeerEnded => throw new NotSupportedException();

    public override long BytesTaken => throw new NotSupportedException();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes) => throw new NotSupportedException();

    public override int TryReceive(Span<byte> buffer, out bool ended) => throw new NotSupportedException();

    public override void ReleaseIdle() => throw new NotSupportedException();

    public override int ForgetBuffers() => throw new NotSupportedException();

    public override void ShutdownSend() => throw new NotSupportedException();

    public override void Abort() => throw new NotSupportedException();

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
