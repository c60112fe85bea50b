using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using WebSocketServerKit.Compression;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>The framework's client over wss.</summary>
[OverTls]
public class SecureClientWebSocketTests
{
    [Theory]
    [InlineData(WebSocketMessageType.Text)]
    [InlineData(WebSocketMessageType.Binary)]
    public async Task Messages_of_all_sizes_come_back_as_they_went(WebSocketMessageType type)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using ClientWebSocket client = await server.ConnectWebSocketAsync();
        // 16 KiB is the largest TLS record.
        foreach (int size in (int[])[0, 1, 125, 126, 16 * 1024 - 8, 16 * 1024, 16 * 1024 + 1, 65_536, 1024 * 1024])
        {
            byte[] sent = type == WebSocketMessageType.Text ? Interop.Text(size, size) : Interop.Binary(size, size);
            await client.SendAsync(sent.AsMemory(), type, endOfMessage: true, TestServer.Timely);
            (WebSocketMessageType echoType, byte[] echo) = await client.ReceiveAsync();
            Assert.Equal(type, echoType);
            Assert.Equal(sent, echo);
        }
    }

    [Fact]
    public async Task Messages_in_fragments_are_put_together()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using ClientWebSocket client = await server.ConnectWebSocketAsync();
        byte[] sent = Interop.Text(100_000, 1);
        for (int i = 0; i < sent.Length; i += 7_001)
        {
            int end = Math.Min(i + 7_001, sent.Length);
            await client.SendAsync(sent.AsMemory(i..end), WebSocketMessageType.Text, end == sent.Length, TestServer.Timely);
        }

        Assert.Equal(sent, (await client.ReceiveAsync()).Payload);
    }

    [Fact]
    public async Task Messages_are_compressed_both_ways()
    {
        await using TestServer server = await Interop.StartPiecewiseEchoAsync(Interop.Everything);
        using ClientWebSocket client = await server.ConnectWebSocketAsync(configure: options => options.DangerousDeflateOptions = new());
        Assert.Equal("permessage-deflate", (await server.NextClientAsync()).Extensions);
        for (int i = 0; i < 50; i++)
        {
            byte[] sent = Interop.Text(i * 1_000, i);
            await client.SendAsync(sent.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, TestServer.Timely);
            Assert.Equal(sent, (await client.ReceiveAsync()).Payload);
        }
    }

    [Fact]
    public async Task A_subprotocol_is_agreed_on()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Subprotocols = ["superchat"]);
        using ClientWebSocket client = await server.ConnectWebSocketAsync(configure: options =>
        {
            options.AddSubProtocol("chat");
            options.AddSubProtocol("superchat");
        });
        Assert.Equal("superchat", client.SubProtocol);
        Assert.Equal("superchat", (await server.NextClientAsync()).Subprotocol);
    }

    [Theory]
    [InlineData(1000, "")]
    [InlineData(1001, "leaving")]
    [InlineData(4999, "\u20AC")]
    public async Task Close_codes_and_reasons_arrive_both_ways(int code, string reason)
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using (ClientWebSocket client = await server.ConnectWebSocketAsync())
        {
            await client.CloseAsync((WebSocketCloseStatus)code, reason, TestServer.Timely);
            Assert.Equal((code, reason), ((int)client.CloseStatus!, client.CloseStatusDescription ?? ""));
        }

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.Closed, ConnectionSide.Client, code, reason, true), (end.Cause, end.ClosedBy, (int)end.CloseCode, end.CloseReason, end.WasClean));

        using ClientWebSocket other = await server.ConnectWebSocketAsync();
        await server.NextClientAsync();
        Task closing = (await server.NextClientAsync()).CloseAsync((WebSocketCloseStatus)code, reason, TestServer.Timely);
        Assert.Equal(WebSocketMessageType.Close, (await other.ReceiveAsync(new ArraySegment<byte>(new byte[1]), TestServer.Timely)).MessageType);
        Assert.Equal((code, reason), ((int)other.CloseStatus!, other.CloseStatusDescription ?? ""));
        await other.CloseOutputAsync((WebSocketCloseStatus)code, reason, TestServer.Timely);
        await closing.Timely();
        other.Dispose();
        end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.Closed, ConnectionSide.Server, code, reason, true), (end.Cause, end.ClosedBy, (int)end.CloseCode, end.CloseReason, end.WasClean));
    }

    [Fact]
    public async Task The_stop_of_the_server_closes_with_1001()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using ClientWebSocket client = await server.ConnectWebSocketAsync();
        Task<StopResult> stopping = server.Server.StopAsync(TestServer.Timely);
        Assert.Equal(WebSocketMessageType.Close, (await client.ReceiveAsync(new ArraySegment<byte>(new byte[1]), TestServer.Timely)).MessageType);
        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, client.CloseStatus);
        await client.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", TestServer.Timely);
        client.Dispose();
        Assert.Equal((1, 0), await stopping.Timely() is { } result ? (result.ClosedCleanly, result.Aborted) : default);
    }

    [Fact]
    public async Task An_abort_of_either_side_ends_the_other()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using (ClientWebSocket client = await server.ConnectWebSocketAsync())
            client.Abort();
        Assert.Equal((DisconnectCause.ConnectionLost, 1006), await server.NextEndAsync() is { } end ? (end.Cause, (int)end.CloseCode) : default);

        using ClientWebSocket other = await server.ConnectWebSocketAsync();
        await server.NextClientAsync();
        (await server.NextClientAsync()).Abort();
        await Assert.ThrowsAsync<WebSocketException>(() => other.ReceiveAsync(new ArraySegment<byte>(new byte[1]), TestServer.Timely));
        Assert.Equal(DisconnectCause.Aborted, (await server.NextEndAsync()).Cause);
    }

    [Theory]
    [InlineData("expired")]
    [InlineData("wrong name")]
    [InlineData("unknown authority")]
    public async Task A_certificate_that_the_client_refuses_is_a_line_of_Debug_and_nothing_else(string what)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 certificate = what switch
        {
            "expired" => TestAuthority.Root.Issue("localhost", now.AddDays(-2), now.AddDays(-1)),
            "wrong name" => TestAuthority.Root.Issue("elsewhere.example"),
            _ => TestAuthority.SelfSigned("localhost"),
        };
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Listen("https://127.0.0.1:0", TlsOptions.FromCertificate(certificate)));
        for (int i = 0; i < 3; i++)
        {
            using var client = new ClientWebSocket();
            if (what == "wrong name")
                client.Options.RemoteCertificateValidationCallback = (_, shown, chain, errors) => errors == System.Net.Security.SslPolicyErrors.None && TestAuthority.Root.Trusts(shown, chain);
            WebSocketException refused = await Assert.ThrowsAsync<WebSocketException>(() => client.ConnectAsync(new Uri($"wss://localhost:{server.EndPoint.Port}/"), TestServer.Timely));
            Assert.IsType<System.Security.Authentication.AuthenticationException>(refused.InnerException?.InnerException ?? refused.InnerException);
        }

        await Polling.UntilAsync(() => server.Log.Of(26).Count == 3 && server.Server.BufferedBytes == 0);
        // Event 34 tells the host that its certificate has expired.
        Assert.DoesNotContain(server.Log.Troubles, line => line.Id.Id != 34);
        Assert.Empty(server.Clients);
    }

    [Fact]
    public async Task Text_that_the_server_sends_first_is_received_first()
    {
        await using TestServer server = await TestServer.StartAsync(server => server.ClientConnected += async (_, e) =>
        {
            for (int i = 0; i < 1_000; i++)
                await e.Client.SendAsync($"{i}");
        });
        using ClientWebSocket client = await server.ConnectWebSocketAsync();
        for (int i = 0; i < 1_000; i++)
            Assert.Equal($"{i}", Encoding.UTF8.GetString((await client.ReceiveAsync()).Payload));
    }
}
