using System.Net.Security;
using System.Security.Authentication;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Transport.Tls;

public sealed class TlsTransportConnectionTests : IAsyncDisposable
{
    private readonly TlsPair _pair = new();

    public ValueTask DisposeAsync() => _pair.DisposeAsync();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_is_ready_after_the_handshake_and_tells_what_was_agreed_on()
    {
        Assert.False(_pair.Server.IsReady);
        Assert.Null(_pair.Server.Tls);
        Assert.True(_pair.Server.IsSecure);
        Assert.Same(_pair.Under, _pair.Server.Underlying);
        await _pair.AuthenticateAsync();
        Assert.True(_pair.Server.IsReady);
        TlsSession session = _pair.Server.Tls!;
        Assert.Equal((_pair.Client.SslProtocol, _pair.Client.NegotiatedCipherSuite, "localhost"), (session.Protocol, session.CipherSuite, session.ServerName));
        Assert.Null(session.ClientCertificate);
        Assert.Equal((_pair.Under.RemoteEndPoint, _pair.Under.LocalEndPoint), (_pair.Server.RemoteEndPoint, _pair.Server.LocalEndPoint));
    }

    [Fact]
    public async Task One_write_is_one_record()
    {
        await _pair.AuthenticateAsync();
        await _pair.Server.WriteAsync("header and payload"u8.ToArray());
        byte[] buffer = new byte[100];
        Assert.Equal(18, await _pair.Client.ReadAsync(buffer, Token).InTime());
        Assert.Equal("header and payload"u8.ToArray(), buffer[..18]);
    }

    [Fact]
    public async Task A_large_write_arrives_whole()
    {
        await _pair.AuthenticateAsync();
        byte[] sent = new byte[500_000];
        new Random(2).NextBytes(sent);
        Task writing = _pair.Server.WriteAsync(sent).AsTask();
        byte[] received = new byte[sent.Length];
        await _pair.Client.ReadExactlyAsync(received, Token);
        await writing.InTime();
        Assert.Equal(sent, received);
        Assert.True(_pair.Server.BytesTaken > sent.Length);
    }

    [Fact]
    public async Task The_end_of_the_server_s_side_is_a_close_notify_and_the_client_can_go_on()
    {
        await _pair.AuthenticateAsync();
        _pair.Server.ShutdownSend();
        _pair.Server.ShutdownSend();
        Assert.Equal(0, await _pair.Client.ReadAsync(new byte[10], Token).InTime());
        await _pair.Client.WriteAsync("still here"u8.ToArray(), Token);
        Assert.Equal(10, (await _pair.Server.Input.ReadAsync(CancellationToken.None).InTime()).Buffer.Length);
        await Assert.ThrowsAsync<IOException>(async () => await _pair.Server.WriteAsync("too late"u8.ToArray()));
    }

    [Fact]
    public async Task Before_the_handshake_the_end_is_that_of_the_connection_alone()
    {
        _pair.Server.ShutdownSend();
        Assert.Equal(0, await _pair.Raw.ReadAsync(new byte[10], Token).InTime());
    }

    [Fact]
    public async Task A_client_that_speaks_something_else_fails_the_handshake()
    {
        await _pair.Raw.WriteAsync((byte[])[22, 3, 1, 0, 5, 1, 2, 3, 4, 5], Token);
        await Assert.ThrowsAnyAsync<Exception>(() => _pair.Server.AuthenticateAsync().AsTask().InTime());
        Assert.False(_pair.Server.IsReady);
    }

    [Fact]
    public async Task A_client_that_offers_no_common_version_is_refused()
    {
#pragma warning disable SYSLIB0039, CA5397 // an old version is the point
        SslClientAuthenticationOptions old = new() { TargetHost = "localhost", EnabledSslProtocols = SslProtocols.Tls11 };
#pragma warning restore SYSLIB0039, CA5397
        Task server = _pair.Server.AuthenticateAsync().AsTask();
        Task client = _pair.Client.AuthenticateAsClientAsync(old, Token);
        await Assert.ThrowsAnyAsync<Exception>(() => client.InTime());
        await _pair.Raw.DisposeAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => server.InTime());
        Assert.False(_pair.Server.IsReady);
    }

    [Fact]
    public async Task A_disposal_while_read_ahead_waits_leaves_nothing_behind()
    {
        await _pair.AuthenticateAsync();
        Assert.Equal(0, _pair.Server.TryReceive(new byte[10], out _));
        await _pair.Server.DisposeAsync();
        await _pair.Server.DisposeAsync();
        Assert.Equal(0, _pair.Server.HeldBytes);
    }

    [Fact]
    public async Task Bytes_that_handlers_may_still_use_are_left_to_them()
    {
        await _pair.AuthenticateAsync();
        await _pair.Client.WriteAsync("payload"u8.ToArray(), Token);
        System.IO.Pipelines.ReadResult read = await _pair.Server.Input.ReadAsync(CancellationToken.None).InTime();
        int forgotten = _pair.Server.ForgetBuffers();
        Assert.True(forgotten >= 7);
        // Ciphertext is not given up with it: the connection can be read to its end.
        await _pair.Client.ShutdownAsync().InTime();
        Assert.True((await _pair.Server.Input.ReadAsync(CancellationToken.None).InTime()).IsCompleted);
        Assert.Equal("payload"u8.ToArray(), read.Buffer.FirstSpan.ToArray());
        _pair.Pool.Return(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(read.Buffer.First, out ArraySegment<byte> array) ? array.Array! : []);
    }
}
