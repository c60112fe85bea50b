using System.Buffers.Binary;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Proxies;

/// <summary>Clients that claim to be a proxy, and proxies that send what they must not. Raw sockets, and no proxy in between.</summary>
public class ForgedHeaderTests
{
    private const string Header = "PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\n";
    private const string Trusted = "127.0.0.1", Elsewhere = "192.0.2.1";

    private static readonly IPEndPoint Source = IPEndPoint.Parse("198.51.100.7:4711");
    private static readonly string[] Forged =
    [
        "X-Forwarded-For: 198.51.100.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example",
        "Forwarded: for=198.51.100.7;proto=https;host=evil.example",
    ];

    [Theory]
    [InlineData(ForwardedHeaderKind.None, Trusted)]
    [InlineData(ForwardedHeaderKind.XForwarded, Elsewhere)]
    [InlineData(ForwardedHeaderKind.Forwarded, Elsewhere)]
    public async Task Forwarded_headers_count_only_from_trusted_proxies_and_when_they_are_asked_for(ForwardedHeaderKind kind, string proxy)
    {
        HandshakeRequest? request = null;
        await using TestServer server = await TestServer.StartAsync(server => server.Handshaking += (_, e) => request = e.Request, options =>
        {
            options.TrustedProxies.Add(proxy);
            options.ForwardedHeaders = kind;
            options.MaxClientsPerRemoteAddress = 1;
        });
        using RawClient raw = await RawClient.OpenAsync(server.EndPoint, "/", tls: null, Forged);
        WebSocketClient client = await server.NextClientAsync();
        Assert.Equal((raw.LocalEndPoint, null, "localhost", null), (client.RemoteEndPoint, client.Proxy, request!.Host, request.IsSecure));

        // Another address does not get around the limit either.
        using RawClient second = await RawClient.ConnectAsync(server.EndPoint);
        await second.WriteAsync(RawClient.Request("/", "X-Forwarded-For: 198.51.100.8", "Forwarded: for=198.51.100.8"));
        Assert.StartsWith("HTTP/1.1 503 ", (await second.ReadAnswerAsync()).StatusLine, StringComparison.Ordinal);
    }

    // A browser lets scripts set these headers in plain requests to their own origin, and in no WebSocket handshake.
    [Fact]
    public async Task A_rebound_page_of_this_machine_does_not_read_plain_answers_by_forwarded_headers_although_its_proxy_is_trusted()
    {
        await using TestServer server = await TestServer.StartAsync(
            server => server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, "secret"),
            options =>
            {
                options.TrustedProxies.Add(Trusted);
                options.ForwardedHeaders = ForwardedHeaderKind.XForwarded;
            });
        using RawClient page = await RawClient.ConnectAsync(server.EndPoint);
        await page.WriteAsync("GET / HTTP/1.1\r\nHost: rebound.example\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 421 ", (await page.ReadAnswerAsync()).StatusLine, StringComparison.Ordinal);

        using RawClient proxy = await RawClient.ConnectAsync(server.EndPoint);
        await proxy.WriteAsync(RawClient.Request("/", "X-Forwarded-For: 198.51.100.7", "X-Forwarded-Host: app.example", "Origin: http://app.example"));
        Assert.StartsWith("HTTP/1.1 101 ", (await proxy.ReadAnswerAsync()).StatusLine, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ForwardedHeaderKind.XForwarded)]
    [InlineData(ForwardedHeaderKind.Forwarded)]
    public async Task A_foreign_page_does_not_get_in_by_forwarded_headers(ForwardedHeaderKind kind)
    {
        await using TestServer server = await TestServer.StartAsync(configure: options =>
        {
            options.TrustedProxies.Add(Elsewhere);
            options.ForwardedHeaders = kind;
        });
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(RawClient.Request("/", [.. Forged, "Origin: https://evil.example"]));
        Assert.StartsWith("HTTP/1.1 403 ", (await raw.ReadAnswerAsync()).StatusLine, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_PROXY_header_from_who_is_no_trusted_proxy_ends_the_connection(int version)
    {
        await using TestServer server = await StartAsync(Elsewhere);
        for (int i = 0; i < 2; i++)
        {
            using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
            await raw.WriteAsync((byte[])[.. HeaderOf(version), .. TestClient.Request()]);
            Assert.Equal(ConnectionEnd.Fin, await raw.ReadEndAsync());
        }

        Assert.Empty(server.Clients);
        Assert.Contains("options.TrustedProxies", Assert.Single(server.Log.Of(29)).Message, StringComparison.Ordinal);
        Assert.Equal(LogLevel.Debug, Assert.Single(server.Log.Of(30)).Level);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_PROXY_header_where_none_is_expected_is_no_request(int version)
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.TrustedProxies.Add(Trusted));
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync((byte[])[.. HeaderOf(version), .. TestClient.Request()]);
        Assert.StartsWith("HTTP/1.1 400 ", (await raw.ReadAnswerAsync()).StatusLine, StringComparison.Ordinal);
        Assert.Empty(server.Clients);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_PROXY_header_may_come_byte_by_byte(int version)
    {
        await using TestServer server = await StartAsync(Trusted);
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteInPiecesAsync((byte[])[.. HeaderOf(version), .. TestClient.Request()], 1);
        await raw.ReadAcceptanceAsync();
        WebSocketClient client = await server.NextClientAsync();
        Assert.Equal((Source, IPEndPoint.Parse("203.0.113.1:443")), (client.RemoteEndPoint, client.LocalEndPoint));
        Assert.Equal((version, raw.LocalEndPoint, server.EndPoint), (client.Proxy!.Header!.Version, client.Proxy.RemoteEndPoint, client.Proxy.LocalEndPoint));
    }

    [Theory]
    [InlineData("")]
    [InlineData("PROXY TCP4 198.51.100.7 ")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\x01")]
    public async Task A_PROXY_header_that_is_not_complete_within_HandshakeTimeout_ends_the_connection(string beginning)
    {
        await using TestServer server = await StartAsync(Trusted, configure: options => options.TimeProvider = new FakeTimeProvider());
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(beginning);
        Task<HttpAnswer> answer = raw.ReadAnswerAsync();
        await PassTimeUntilAsync(server, answer);
        Assert.StartsWith("HTTP/1.1 408 ", (await answer).StatusLine, StringComparison.Ordinal);
        Assert.Equal(ConnectionEnd.Fin, await raw.ReadEndAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData("PROXY TCP4 198.51.100.7 ")]
    [InlineData(Header)]
    public async Task The_same_holds_before_the_TLS_handshake(string beginning)
    {
        await using TestServer server = await StartAsync(Trusted, TlsOptions.SelfSigned(), options => options.TimeProvider = new FakeTimeProvider());
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(beginning);
        await PassTimeUntilAsync(server, raw.SkipToEndAsync());
        Assert.Empty(server.Log.Troubles);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_PROXY_header_is_taken_once(int version)
    {
        await using TestServer server = await StartAsync(Trusted);
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync((byte[])[.. Encoding.ASCII.GetBytes(Header), .. HeaderOf(version), .. TestClient.Request()]);
        Assert.StartsWith("HTTP/1.1 400 ", (await raw.ReadAnswerAsync()).StatusLine, StringComparison.Ordinal);
        Assert.Empty(server.Clients);
    }

    [Theory]
    [InlineData("garbage\r\n\r\n")]
    [InlineData("\0\0\0\0")]
    [InlineData("\x16\x03\x01\0\x05hello")]
    public async Task Garbage_behind_a_PROXY_header_is_answered_with_400(string garbage)
    {
        await using TestServer server = await StartAsync(Trusted);
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(Header + garbage);
        Assert.StartsWith("HTTP/1.1 400 ", (await raw.ReadAnswerAsync()).StatusLine, StringComparison.Ordinal);
        Assert.Equal(ConnectionEnd.Fin, await raw.ReadEndAsync());
    }

    [Fact]
    public async Task A_client_without_TLS_behind_a_PROXY_header_is_told_to_use_https()
    {
        await using TestServer server = await StartAsync(Trusted, TlsOptions.SelfSigned());
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(Header + RawClient.Request());
        HttpAnswer answer = await raw.ReadAnswerAsync();
        Assert.StartsWith("HTTP/1.1 400 ", answer.StatusLine, StringComparison.Ordinal);
        Assert.Contains("https://", answer.Body, StringComparison.Ordinal);
        Assert.Contains(Source.ToString(), Assert.Single(server.Log.Of(27)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "does not begin with a PROXY header")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF", "more than 4096 bytes")] // at once, and not when 64 KiB have come
    [InlineData("PROXY TCP4 198.51.100.7 203.0.113.1 4711 99999\r\n", "invalid port")]
    [InlineData("PROXY TCP4 evil.example 203.0.113.1 4711 443\r\n", "invalid address")]
    public async Task What_is_no_PROXY_header_ends_the_connection_and_is_logged_once(string bytes, string reason)
    {
        await using TestServer server = await StartAsync(Trusted);
        for (int i = 0; i < 2; i++)
        {
            using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
            await raw.WriteAsync(bytes);
            Assert.Equal(ConnectionEnd.Fin, await raw.ReadEndAsync());
        }

        Assert.Contains(reason, Assert.Single(server.Log.Of(29)).Message, StringComparison.Ordinal);
        Assert.Contains(reason, Assert.Single(server.Log.Of(30)).Message, StringComparison.Ordinal);
        Assert.Empty(server.Clients);
    }

    [Theory]
    [InlineData("198.51.100.7", "198.51.100.7")]
    [InlineData("127.0.0.1", "198.51.100.9")] // a proxy behind the proxy
    public async Task Forwarded_headers_behind_a_PROXY_header_count_only_if_it_names_a_trusted_proxy(string source, string expected)
    {
        await using TestServer server = await StartAsync(Trusted, configure: options => options.ForwardedHeaders = ForwardedHeaderKind.XForwarded);
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync($"PROXY TCP4 {source} 203.0.113.1 4711 443\r\n" + RawClient.Request("/", "X-Forwarded-For: 198.51.100.8, 198.51.100.9"));
        await raw.ReadAcceptanceAsync();
        WebSocketClient client = await server.NextClientAsync();
        Assert.Equal(expected, ((IPEndPoint)client.RemoteEndPoint).Address.ToString());
        Assert.Equal((raw.LocalEndPoint, source), (client.Proxy!.RemoteEndPoint, ((IPEndPoint)client.Proxy.Header!.Source!).Address.ToString()));
    }

    [Theory]
    [InlineData("PROXY UNKNOWN\r\n")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\x21\0\0\0")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xD8", 216)] // a client at a Unix domain socket of the proxy, without a path
    public async Task A_client_whose_address_the_PROXY_header_does_not_tell_cannot_tell_one_itself(string header, int addressBytes = 0)
    {
        HandshakeRequest? request = null;
        await using TestServer server = await StartAsync(Trusted, configure: options =>
        {
            options.TrustedProxies.Add("unix");
            options.ForwardedHeaders = ForwardedHeaderKind.XForwarded;
        });
        server.Server.Handshaking += (_, e) => request = e.Request;
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(header + new string('\0', addressBytes) + RawClient.Request("/", Forged));
        await raw.ReadAcceptanceAsync();
        WebSocketClient client = await server.NextClientAsync();
        Assert.Equal(("localhost", null), (request!.Host, request.IsSecure));
        Assert.Equal(addressBytes == 0 ? raw.LocalEndPoint : client.Proxy!.Header!.Source, client.RemoteEndPoint);
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_a_PROXY_header()
    {
        await using TestServer server = await StartAsync(Trusted);
        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync("PROXY ");
        using RawClient known = await RawClient.ConnectAsync(server.EndPoint);
        await known.WriteAsync(Header + RawClient.Request());
        await known.ReadAcceptanceAsync(); // the other one was accepted before
        Task<StopResult> stopped = server.Server.StopAsync(TestServer.Timely);
        Assert.StartsWith("HTTP/1.1 503 ", (await raw.ReadAnswerAsync()).StatusLine, StringComparison.Ordinal);
        await raw.WriteAsync("TCP4 198.51.100.7 203.0.113.1 4711 443\r\n" + RawClient.Request());
        Assert.Equal(ConnectionEnd.Fin, await raw.ReadEndAsync());
        raw.HalfClose();
        Assert.Equal(1001, (await known.ReadFrameAsync())!.CloseCode);
        await known.SendAsync(ClientFrame.Close(1001));
        known.HalfClose();
        Assert.Equal((1, 0), ((await stopped.Timely()).ClosedCleanly, (await stopped).Aborted));
    }

    [Theory]
    [InlineData("PROXY UNKNOWN\r\n")]
    [InlineData("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")]
    public async Task A_proxy_may_speak_for_itself_and_may_leave_without_a_word(string header)
    {
        await using TestServer server = await StartAsync(Trusted);
        foreach (string bytes in (string[])["", header])
        {
            using RawClient check = await RawClient.ConnectAsync(server.EndPoint);
            await check.WriteAsync(bytes);
            check.HalfClose();
            Assert.Equal(ConnectionEnd.Fin, await check.ReadEndAsync());
        }

        using RawClient raw = await RawClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(header + RawClient.Request());
        await raw.ReadAcceptanceAsync();
        WebSocketClient client = await server.NextClientAsync();
        Assert.Equal((raw.LocalEndPoint, true), (client.RemoteEndPoint, client.Proxy!.Header!.IsLocal));
        Assert.Equal(1, client.Id);
        Assert.Empty(server.Log.Troubles);
    }

    private static Task<TestServer> StartAsync(string proxy, TlsOptions? tls = null, Action<WebSocketServerOptions>? configure = null) => TestServer.StartEchoAsync(options =>
    {
        options.TrustedProxies.Add(proxy);
        options.Listen(new IPEndPoint(IPAddress.Loopback, 0), new ListenOptions { ProxyProtocol = true, Tls = tls });
        configure?.Invoke(options);
    });

    private static byte[] HeaderOf(int version)
    {
        if (version == 1)
            return Encoding.ASCII.GetBytes(Header);
        byte[] header = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, 0x11, 0, 12 + 8, 198, 51, 100, 7, 203, 0, 113, 1, 0, 0, 0, 0, 0x05, 0, 5, .. "id-47"u8];
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(24), 4711);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(26), 443);
        return header;
    }

    // Not before the timeout has passed: the server cannot have begun to count before the test did.
    private static async Task PassTimeUntilAsync(TestServer server, Task ended)
    {
        TimeSpan passed = TimeSpan.Zero;
        await Polling.UntilAsync(() =>
        {
            if (ended.IsCompleted)
                return true;
            server.Pass(server.Options.HeartbeatInterval);
            passed += server.Options.HeartbeatInterval;
            return false;
        });

        Assert.True(passed >= server.Options.HandshakeTimeout, $"It ended after {passed}.");
    }
}
