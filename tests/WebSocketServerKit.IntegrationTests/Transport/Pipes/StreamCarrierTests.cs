using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Pipes;

/// <summary>What only streams over real sockets show; <see cref="Contract.AcceptTests"/> has TLS.</summary>
public sealed class StreamCarrierTests : IAsyncLifetime
{
    private Socket _peer = null!;
    private NetworkStream _stream = null!;

    public async ValueTask InitializeAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _peer = await AcceptedConnections.ConnectAsync(listener.LocalEndpoint);
        _stream = new NetworkStream(await listener.AcceptSocketAsync(TestServer.Timely), ownsSocket: true);
    }

    public async ValueTask DisposeAsync()
    {
        _peer.Dispose();
        await _stream.DisposeAsync();
    }

    [Fact]
    public async Task The_stream_of_a_socket_ends_one_direction_and_is_read_on()
    {
        var carrier = new StreamCarrier(_stream);
        Assert.True(carrier.CanEndWrites);
        await carrier.WriteAsync("last"u8.ToArray(), TestServer.Timely);
        await carrier.EndWritesAsync();
        byte[] read = new byte[10];
        Assert.Equal(4, await _peer.ReceiveAsync(read, TestServer.Timely));
        Assert.Equal(0, await _peer.ReceiveAsync(read, TestServer.Timely));
        await _peer.SendAsync("x"u8.ToArray(), TestServer.Timely);
        Assert.Equal(0, await carrier.ReadAsync(Memory<byte>.Empty, TestServer.Timely));
        Assert.Equal(1, await carrier.ReadAsync(read, TestServer.Timely));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_peer_of_a_socket_sees_a_reset_after_a_cut_and_else_the_end(bool isCut)
    {
        Task<int> reading = _peer.ReceiveAsync(new byte[1], TestServer.Timely).AsTask();
        await new StreamCarrier(_stream).CloseAsync(isCut, Task.CompletedTask);
        if (isCut)
            Assert.Equal(SocketError.ConnectionReset, (await Assert.ThrowsAsync<SocketException>(() => reading)).SocketErrorCode);
        else
            Assert.Equal(0, await reading);
        Assert.False(_stream.CanRead);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_hosts_way_to_cut_is_used_for_a_cut_only_and_before_the_stream_is_disposed_of(bool isCut)
    {
        await using var stream = new FakeStream();
        List<int> disposalsAtAbort = [];
        await new StreamCarrier(stream, () => disposalsAtAbort.Add(stream.Disposals)).CloseAsync(isCut, Task.CompletedTask);
        Assert.Equal(isCut ? [0] : [], disposalsAtAbort);
        Assert.Equal(1, stream.Disposals);
    }

    [Fact]
    public async Task Any_other_stream_is_disposed_of_while_it_is_in_use()
    {
        await using var stream = new FakeStream();
        var carrier = new StreamCarrier(stream);
        Assert.False(carrier.CanEndWrites);
        await carrier.EndWritesAsync();
        await carrier.CloseAsync(isCut: true, whenUnused: new TaskCompletionSource().Task);
        Assert.Equal(1, stream.Disposals);
    }

    [Fact]
    public async Task A_write_is_flushed()
    {
        await using var stream = new FakeStream();
        await new StreamCarrier(stream).WriteAsync("x"u8.ToArray(), TestServer.Timely);
        Assert.Equal((1, 1), (stream.Writes.Length, stream.Flushes));
    }
}
