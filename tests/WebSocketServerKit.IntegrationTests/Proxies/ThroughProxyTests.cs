using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using WebSocketServerKit.Compression;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Proxies;

/// <summary>What holds behind each of the proxies that docs/proxies.md has a configuration for.</summary>
public class ThroughProxyTests
{
    public static TheoryData<Front> All => new(Enum.GetValues<Front>());

    public static TheoryData<Front> WithOneTimeout => new(Front.Nginx, Front.NginxStream, Front.Haproxy, Front.HaproxyTcp);

    [Theory]
    [MemberData(nameof(All))]
    public async Task The_server_knows_the_client_its_scheme_and_its_host(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front);
        using ClientWebSocket socket = await proxied.ConnectAsync("127.0.0.2", options => options.SetRequestHeader("Origin", $"https://{proxied.HostAndPort}"));
        HandshakeRequest request = await proxied.NextRequestAsync();
        Assert.Equal((true, proxied.HostAndPort), (request.IsSecure, request.Host));

        WebSocketClient client = await proxied.Server.NextClientAsync();
        IPEndPoint remote = Assert.IsType<IPEndPoint>(client.RemoteEndPoint);
        Assert.Equal(IPAddress.Parse("127.0.0.2"), remote.Address);
        Assert.Equal(front is Front.Nginx or Front.Haproxy or Front.HaproxyNginx, remote.Port == 0);
        IPEndPoint proxy = Assert.IsType<IPEndPoint>(client.Proxy!.RemoteEndPoint);
        Assert.Equal(IPAddress.Loopback, proxy.Address);
        Assert.Equal(proxied.Server.EndPoint, client.Proxy.LocalEndPoint);
        int? version = front switch { Front.NginxStream => 1, Front.HaproxyTcp or Front.HaproxyPassThrough => 2, _ => null };
        Assert.Equal(version, client.Proxy.Header?.Version);
        Assert.Equal(version is null ? proxied.Server.EndPoint : proxied.EndPoint, client.LocalEndPoint);
        Assert.Equal(front is Front.NginxStream or Front.HaproxyPassThrough, client.Tls is not null);
        Assert.Equal([client], proxied.Server.Clients.WithRemoteAddress(remote.Address));
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Only_pages_of_the_original_host_over_the_original_scheme_may_connect(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front);
        Assert.Equal(101, await proxied.StatusAsync($"https://{proxied.HostAndPort}"));
        Assert.Equal(403, await proxied.StatusAsync($"http://{proxied.HostAndPort}"));
        Assert.Equal(403, await proxied.StatusAsync($"https://{ProxiedServer.Host}"));
        Assert.Equal(403, await proxied.StatusAsync("https://evil.example"));
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task A_client_cannot_forge_its_address_its_scheme_or_its_host(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front);
        using ClientWebSocket socket = await proxied.ConnectAsync("127.0.0.2", options =>
        {
            options.SetRequestHeader("X-Forwarded-For", "198.51.100.1, 127.0.0.1");
            options.SetRequestHeader("X-Forwarded-Proto", "http");
            options.SetRequestHeader("X-Forwarded-Host", "evil.example");
            options.SetRequestHeader("X-Real-IP", "198.51.100.1");
            options.SetRequestHeader("Forwarded", "for=198.51.100.1;proto=http;host=evil.example, for=127.0.0.1;host=evil.example");
        });
        HandshakeRequest request = await proxied.NextRequestAsync();
        Assert.Equal((true, proxied.HostAndPort), (request.IsSecure, request.Host));
        WebSocketClient client = await proxied.Server.NextClientAsync();
        Assert.Equal(IPAddress.Parse("127.0.0.2"), ((IPEndPoint)client.RemoteEndPoint).Address);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Messages_of_all_sizes_go_both_ways_also_compressed(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front, options =>
        {
            options.MaxMessageSize = 8 << 20;
            options.PerMessageDeflate = Interop.Everything;
        });
        using ClientWebSocket plain = await proxied.ConnectAsync();
        using ClientWebSocket compressed = await proxied.ConnectAsync("127.0.0.3", options => options.DangerousDeflateOptions = new WebSocketDeflateOptions());
        Assert.Null((await proxied.Server.NextClientAsync()).Extensions);
        Assert.Equal("permessage-deflate", (await proxied.Server.NextClientAsync()).Extensions);
        foreach (ClientWebSocket client in (ClientWebSocket[])[plain, compressed])
        {
            foreach (int size in (int[])[0, 1, 126, 65_536, 6 << 20])
            {
                await AssertEchoAsync(client, WebSocketMessageType.Text, Interop.Text(size, size));
                await AssertEchoAsync(client, WebSocketMessageType.Binary, Interop.Binary(size, size));
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Close_codes_go_both_ways_and_a_stop_is_told(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front);
        using ClientWebSocket leaver = await proxied.ConnectAsync();
        await leaver.CloseAsync((WebSocketCloseStatus)4001, "enough", TestServer.Timely);
        ClientDisconnectedEventArgs end = await proxied.Server.NextEndAsync();
        Assert.Equal((4001, "enough", true), ((int)end.CloseCode, end.CloseReason, end.WasClean));

        using ClientWebSocket dismissed = await proxied.ConnectAsync();
        await proxied.Server.NextClientAsync();
        WebSocketClient client = await proxied.Server.NextClientAsync();
        Task closed = client.CloseAsync((WebSocketCloseStatus)4002, "go", TestServer.Timely);
        await AssertClosedAsync(dismissed, 4002, "go");
        await closed.Timely();

        using ClientWebSocket last = await proxied.ConnectAsync();
        await proxied.Server.NextClientAsync();
        Task<StopResult> stopped = proxied.Server.Server.StopAsync(TestServer.Timely);
        await AssertClosedAsync(last, 1001, null);
        Assert.Equal((1, 0), ((await stopped.Timely()).ClosedCleanly, (await stopped).Aborted));
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task Limits_per_remote_address_count_the_original_address(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front, options => options.MaxClientsPerRemoteAddress = 1);
        using ClientWebSocket one = await proxied.ConnectAsync("127.0.0.2");
        using ClientWebSocket other = await proxied.ConnectAsync("127.0.0.3");
        Assert.Equal(503, await proxied.StatusAsync("127.0.0.2", configure: null));
        Assert.Equal(503, await proxied.StatusAsync("127.0.0.3", options => options.SetRequestHeader("X-Forwarded-For", "198.51.100.1")));
        Assert.Equal(2, proxied.Server.Clients.Count);
    }

    [Theory]
    [MemberData(nameof(WithOneTimeout))]
    public async Task Pings_keep_an_idle_client_connected_for_longer_than_the_idle_timeout_of_the_proxy(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(
            front, options => options.PingInterval = TimeSpan.FromMilliseconds(200), configuration => configuration.With("60s", "5s"));
        await using SslStream stream = await proxied.OpenStreamAsync();
        Assert.StartsWith("HTTP/1.1 101 ", await proxied.AskAsync(stream), StringComparison.Ordinal);
        long start = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(6))
        {
            (byte opcode, byte[] payload) = await ReadFrameAsync(stream);
            Assert.Equal(ClientFrame.PingOpcode, opcode);
            await stream.WriteAsync(new ClientFrame(ClientFrame.PongOpcode, payload).ToBytes(), TestServer.Timely);
        }

        await stream.WriteAsync(ClientFrame.Text("still here").ToBytes(), TestServer.Timely);
        (byte Opcode, byte[] Payload) frame = await ReadFrameAsync(stream);
        while (frame.Opcode == ClientFrame.PingOpcode)
            frame = await ReadFrameAsync(stream);
        Assert.Equal("still here"u8.ToArray(), frame.Payload);
    }

    [Theory]
    [MemberData(nameof(WithOneTimeout))]
    public async Task Without_pings_the_proxy_ends_an_idle_connection(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(
            front, options => options.PingInterval = Timeout.InfiniteTimeSpan, configuration => configuration.With("60s", "1s"));
        await using SslStream stream = await proxied.OpenStreamAsync();
        Assert.StartsWith("HTTP/1.1 101 ", await proxied.AskAsync(stream), StringComparison.Ordinal);
        int read = 0;
        try
        {
            read = await stream.ReadAsync(new byte[1], TestServer.Timely);
        }
        catch (IOException)
        {
            // Some proxies reset it.
        }

        Assert.Equal(0, read);
        Assert.Equal(1006, (int)(await proxied.Server.NextEndAsync()).CloseCode);
    }

    /// <summary>Lines that a client library would not send, and that a server may read in another way than the proxy.</summary>
    [Theory]
    [InlineData(Front.Nginx)]
    [InlineData(Front.Haproxy)]
    [InlineData(Front.HaproxyForwarded)]
    [InlineData(Front.HaproxyNginx)]
    public async Task Malformed_and_repeated_forwarded_headers_forge_nothing_either(Front front)
    {
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front);
        foreach (string[] lines in (string[][])
        [
            ["X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 127.0.0.1"],
            ["X-Forwarded-For: \"198.51.100.1", "Forwarded: for=\"198.51.100.1"],
            ["X-Forwarded-For: 198.51.100.1,,127.0.0.1,", "Forwarded: for=198.51.100.1,,for=127.0.0.1,"],
            ["x-forwarded-for:198.51.100.1", "forwarded:FOR=198.51.100.1;HOST=evil.example"],
            ["X-Forwarded-Proto: http, http, http", "X-Forwarded-Host: evil.example, evil.example"],
            ["X-Forwarded-Proto: http", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.example", "X-Forwarded-Host: evil.example"],
            ["Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded, Upgrade"],
            [$"X-Forwarded-For: {string.Join(", ", Enumerable.Repeat("127.0.0.1", 300))}"],
        ])
        {
            await using SslStream stream = await proxied.OpenStreamAsync();
            Assert.StartsWith("HTTP/1.1 101 ", await proxied.AskAsync(stream, lines), StringComparison.Ordinal);
            HandshakeRequest request = await proxied.NextRequestAsync();
            Assert.Equal((true, proxied.HostAndPort), (request.IsSecure, request.Host));
            WebSocketClient client = await proxied.Server.NextClientAsync();
            Assert.Equal(IPAddress.Parse("127.0.0.2"), ((IPEndPoint)client.RemoteEndPoint).Address);
        }
    }

    [Theory]
    [InlineData(Front.Nginx)]
    [InlineData(Front.Haproxy)]
    [InlineData(Front.HaproxyTcp)]
    public async Task The_server_may_listen_on_a_Unix_domain_socket(Front front)
    {
        string path = Path.Combine(Path.GetTempPath(), $"wsk-{Guid.NewGuid():N}.sock");
        await using ProxiedServer proxied = await ProxiedServer.StartAsync(front, options => options.MaxClientsPerRemoteAddress = 1, unixSocket: path);
        using ClientWebSocket socket = await proxied.ConnectAsync();
        using ClientWebSocket other = await proxied.ConnectAsync("127.0.0.3");
        WebSocketClient client = await proxied.Server.NextClientAsync();
        Assert.Equal(IPAddress.Parse("127.0.0.2"), ((IPEndPoint)client.RemoteEndPoint).Address);
        Assert.IsType<UnixDomainSocketEndPoint>(client.Proxy!.RemoteEndPoint);
        HandshakeRequest request = await proxied.NextRequestAsync();
        Assert.Equal((true, proxied.HostAndPort), (request.IsSecure, request.Host));
        Assert.Equal(503, await proxied.StatusAsync("127.0.0.3", configure: null));
    }

    private static async Task<(byte Opcode, byte[] Payload)> ReadFrameAsync(SslStream stream)
    {
        byte[] head = new byte[2];
        await stream.ReadExactlyAsync(head, TestServer.Timely);
        Assert.InRange(head[1], 0, 125);
        byte[] payload = new byte[head[1]];
        await stream.ReadExactlyAsync(payload, TestServer.Timely);
        return ((byte)(head[0] & 0x0F), payload);
    }

    private static async Task AssertEchoAsync(ClientWebSocket client, WebSocketMessageType type, byte[] payload)
    {
        Task sent = client.SendAsync(payload, type, endOfMessage: true, TestServer.Timely);
        (WebSocketMessageType Type, byte[] Payload) echo = await client.ReceiveAsync();
        await sent;
        Assert.Equal(type, echo.Type);
        Assert.True(payload.AsSpan().SequenceEqual(echo.Payload));
    }

    private static async Task AssertClosedAsync(ClientWebSocket client, int code, string? reason)
    {
        WebSocketReceiveResult close = await client.ReceiveAsync(new byte[16], TestServer.Timely);
        Assert.Equal((WebSocketMessageType.Close, code), (close.MessageType, (int)close.CloseStatus!));
        Assert.Equal(reason ?? close.CloseStatusDescription, close.CloseStatusDescription);
        await client.CloseOutputAsync((WebSocketCloseStatus)code, null, TestServer.Timely);
    }
}
