using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

public sealed class MessageTests
{
    [Theory]
    [InlineData(0, WebSocketMessageType.Text)]
    [InlineData(5, WebSocketMessageType.Text)]
    [InlineData(70_000, WebSocketMessageType.Text)]
    [InlineData(5, WebSocketMessageType.Binary)]
    [InlineData(5_000_000, WebSocketMessageType.Binary)]
    public async Task A_message_is_echoed(int length, WebSocketMessageType type)
    {
        await using MappedHost host = await MappedHost.StartEchoAsync(new WebSocketServerOptions { MaxMessageSize = 6_000_000 });
        using ClientWebSocket client = await host.ConnectAsync();
        byte[] payload = new byte[length];
        if (type == WebSocketMessageType.Binary)
            new Random(1).NextBytes(payload);
        Task sending = client.SendAsync(payload, type, endOfMessage: true, MappedHost.Timely);
        (WebSocketMessageType echoedType, byte[] echo) = await client.ReceiveMessageAsync();
        await sending;
        Assert.Equal(type, echoedType);
        Assert.Equal(payload, echo);
        await client.LeaveAsync();
    }

    [Fact]
    public async Task Frames_that_come_right_behind_the_request_are_handled()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using RawClient client = await RawClient.ConnectAsync(host.EndPoint);
        await client.WriteAsync((byte[])[.. System.Text.Encoding.ASCII.GetBytes(RawClient.Request("/ws")), .. ClientFrame.Text("one").ToBytes(), .. ClientFrame.Text("two").ToBytes()]);
        await client.ReadAcceptanceAsync();
        Assert.Equal("one", (await client.ReadFrameAsync())!.Text);
        Assert.Equal("two", (await client.ReadFrameAsync())!.Text);
    }

    [Fact]
    public async Task What_is_sent_in_ClientConnected_comes_behind_the_answer_of_the_handshake()
    {
        await using MappedHost host = await MappedHost.StartAsync(server => server.ClientConnected += async (_, e) => await e.Client.SendAsync("welcome"));
        using ClientWebSocket client = await host.ConnectAsync();
        Assert.Equal("welcome", await client.ReceiveTextAsync());
        await client.LeaveAsync();
    }

    [Fact]
    public async Task Many_messages_in_one_write_come_back_in_order()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using RawClient client = await host.OpenRawAsync();
        await client.SendAsync(Enumerable.Range(0, 1000).Select(i => ClientFrame.Text($"message {i}")));
        for (int i = 0; i < 1000; i++)
            Assert.Equal($"message {i}", (await client.ReadFrameAsync())!.Text);
    }

    [Fact]
    public async Task Messages_are_compressed_if_both_sides_want_it()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync(new WebSocketServerOptions { PerMessageDeflate = new PerMessageDeflateOptions() });
        using ClientWebSocket client = await host.ConnectAsync(configure: options => options.DangerousDeflateOptions = new WebSocketDeflateOptions());
        Assert.StartsWith("permessage-deflate", (await host.NextClientAsync()).Extensions, StringComparison.Ordinal);
        string text = new('x', 100_000);
        await client.SendAsync(text);
        Assert.Equal(text, await client.ReceiveTextAsync());
        await client.LeaveAsync();
    }

    [Fact]
    public async Task A_ping_of_either_side_is_answered()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using RawClient client = await host.OpenRawAsync();
        await client.SendAsync(ClientFrame.Ping("are you there?"));
        ServerFrame pong = (await client.ReadFrameAsync())!;
        Assert.Equal((ClientFrame.PongOpcode, "are you there?"), (pong.Opcode, pong.Text));
        ValueTask<TimeSpan> roundTrip = (await host.NextClientAsync()).PingAsync(MappedHost.Timely);
        ServerFrame ping = (await client.ReadFrameAsync())!;
        await client.SendAsync(new ClientFrame(ClientFrame.PongOpcode, ping.Payload));
        Assert.True(await roundTrip >= TimeSpan.Zero);
    }

    [Fact]
    public async Task A_silent_client_holds_no_buffer()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        using ClientWebSocket client = await host.ConnectAsync();
        await client.SendAsync("x");
        Assert.Equal("x", await client.ReceiveTextAsync());
        CancellationToken timely = MappedHost.Timely;
        while (host.Server.BufferedBytes != 0)
        {
            timely.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        await client.LeaveAsync();
    }

    [Fact]
    public async Task A_client_that_reads_nothing_does_not_make_the_server_keep_more_than_its_limit()
    {
        await using MappedHost host = await MappedHost.StartAsync(options: new WebSocketServerOptions { SendQueueLimit = 1_000_000 });
        using RawClient client = await host.OpenRawAsync();
        WebSocketClient connected = await host.NextClientAsync();
        byte[] payload = new byte[100_000];
        CancellationToken timely = MappedHost.Timely;
        while (connected.TrySend(payload, WebSocketMessageType.Binary) != SendResult.Dropped)
        {
            timely.ThrowIfCancellationRequested();
            Assert.InRange(connected.UnsentBytes, 0, 1_100_000);
        }

        connected.Abort();
        Assert.Equal(DisconnectCause.Aborted, (await host.NextEndAsync()).Cause);
    }

    [Fact]
    public async Task Over_TLS_of_the_host_messages_are_echoed_and_either_side_closes()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 made = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        // Windows takes no key for TLS that was made in memory.
        using X509Certificate2 certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
        await using MappedHost host = await MappedHost.StartAsync(MappedHost.Echo, certificate: certificate);
        foreach (bool serverCloses in new[] { false, true })
        {
            using ClientWebSocket client = new();
            client.Options.RemoteCertificateValidationCallback = (_, presented, _, _) => presented!.Equals(certificate);
            await client.ConnectAsync(new Uri($"wss://localhost:{host.EndPoint.Port}/ws"), MappedHost.Timely);
            WebSocketClient connected = await host.NextClientAsync();
            string text = new('x', 200_000);
            await client.SendAsync(text);
            Assert.Equal(text, await client.ReceiveTextAsync());
            if (serverCloses)
                _ = connected.CloseAsync(CloseCode.GoingAway, "enough", MappedHost.Timely);
            if (serverCloses)
                await client.AssertClosedAsync(1001, "enough");
            else
                await client.LeaveAsync();
            Assert.True((await host.NextEndAsync()).WasClean);
        }
    }

    [Fact]
    public async Task Over_HTTP2_a_client_connects_by_extended_CONNECT_and_messages_are_echoed()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync(protocols: HttpProtocols.Http2);
        using HttpMessageInvoker invoker = new(new SocketsHttpHandler());
        using ClientWebSocket client = await host.ConnectAsync(
            configure: options =>
            {
                options.HttpVersion = new Version(2, 0);
                options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
            },
            invoker: invoker);
        WebSocketClient connected = await host.NextClientAsync();
        Assert.Equal("HTTP/2", connected.GetHttpContext()!.Request.Protocol);
        string text = new('x', 300_000);
        await client.SendAsync(text);
        Assert.Equal(text, await client.ReceiveTextAsync());
        await client.LeaveAsync();
        Assert.True((await host.NextEndAsync()).WasClean);
    }

    [Fact]
    public async Task Over_HTTP2_the_server_closes_and_cuts()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync(protocols: HttpProtocols.Http2);
        using HttpMessageInvoker invoker = new(new SocketsHttpHandler());
        Action<ClientWebSocketOptions> http2 = options =>
        {
            options.HttpVersion = new Version(2, 0);
            options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        };
        using ClientWebSocket closed = await host.ConnectAsync(configure: http2, invoker: invoker);
        _ = (await host.NextClientAsync()).CloseAsync(CloseCode.GoingAway, "enough", MappedHost.Timely);
        await closed.AssertClosedAsync(1001, "enough");
        using ClientWebSocket cut = await host.ConnectAsync(configure: http2, invoker: invoker);
        (await host.NextClientAsync()).Abort();
        await Assert.ThrowsAnyAsync<Exception>(() => cut.ReceiveMessageAsync());
    }
}
