using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

public sealed class HandshakeTests
{
    private const string Plain = "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n";

    [Fact]
    public async Task Handlers_choose_the_subprotocol_and_add_headers()
    {
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.Handshaking += (_, e) =>
            {
                e.Subprotocol = "two";
                e.AddResponseHeader("X-Served-By", "a");
                e.AddResponseHeader("Set-Cookie", "a=1");
                e.AddResponseHeader("Set-Cookie", "b=2");
            },
            use: application => application.Use((context, next) =>
            {
                context.Response.Headers.SetCookie = "middleware=0";
                context.Response.Headers["X-Served-By"] = "middleware";
                return next(context);
            }));
        HttpAnswer answer = await host.AskToConnectAsync("/ws", "Sec-WebSocket-Protocol: one, two");
        Assert.Equal("HTTP/1.1 101 Switching Protocols", answer.StatusLine);
        Assert.Equal(["websocket"], answer["Upgrade"]);
        Assert.Equal(["Upgrade"], answer["Connection"]);
        Assert.Equal([RawClient.Accept], answer["Sec-WebSocket-Accept"]);
        Assert.Equal(["two"], answer["Sec-WebSocket-Protocol"]);
        Assert.Equal(["a"], answer["X-Served-By"]);
        Assert.Equal(["middleware=0", "a=1", "b=2"], answer["Set-Cookie"]);
        Assert.Single(answer["Date"]);
        Assert.Equal("two", (await host.NextClientAsync()).Subprotocol);
    }

    [Fact]
    public async Task A_refusal_is_an_ordinary_response_behind_which_the_connection_goes_on()
    {
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.Handshaking += (_, e) => e.Refuse(HttpStatusCode.TooManyRequests, "Come again later.", headers: [new("Retry-After", "7")]));
        using RawClient client = await RawClient.ConnectAsync(host.EndPoint);
        for (int i = 0; i < 2; i++)
        {
            await client.WriteAsync(RawClient.Request("/ws"));
            HttpAnswer answer = await client.ReadAnswerAsync();
            Assert.Equal("HTTP/1.1 429 Too Many Requests", answer.StatusLine);
            Assert.Equal("Come again later.", answer.Body);
            Assert.Equal(["7"], answer["Retry-After"]);
            Assert.Equal(["text/plain; charset=utf-8"], answer["Content-Type"]);
            Assert.Single(answer["Date"]);
            Assert.Empty(answer["Connection"]);
        }

        host.AssertNoClients();
    }

    [Fact]
    public async Task A_plain_request_is_the_servers_to_answer()
    {
        string page = string.Concat(Enumerable.Repeat("page ", 20_000));
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, page + e.GetHttpContext()!.Request.Method, "text/html; charset=utf-8"));
        HttpAnswer answer = await host.AskAsync(Plain);
        Assert.Equal("HTTP/1.1 200 OK", answer.StatusLine);
        Assert.Equal(page + "GET", answer.Body);
        Assert.Equal(["text/html; charset=utf-8"], answer["Content-Type"]);
        HttpAnswer head = await host.AskAsync(Plain.Replace("GET", "HEAD", StringComparison.Ordinal), toHead: true);
        Assert.Equal([$"{page.Length + 4}"], head["Content-Length"]);
    }

    [Fact]
    public async Task A_plain_request_that_nobody_answers_gets_426()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        HttpAnswer answer = await host.AskAsync(Plain);
        Assert.Equal("HTTP/1.1 426 Upgrade Required", answer.StatusLine);
        Assert.Equal(["websocket"], answer["Upgrade"]);
        Assert.Equal(["Upgrade"], answer["Connection"]);
        Assert.NotEmpty(answer.Body);
    }

    [Fact]
    public async Task Over_HTTP2_a_plain_request_gets_426_too_without_headers_of_one_connection()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync(protocols: HttpProtocols.Http2);
        using HttpClient client = new() { DefaultRequestVersion = new Version(2, 0), DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using HttpResponseMessage answer = await client.GetAsync(new Uri($"http://{host.EndPoint}/ws"), MappedHost.Timely);
        Assert.Equal(HttpStatusCode.UpgradeRequired, answer.StatusCode);
        Assert.Empty(answer.Headers.Connection);
        Assert.Empty(answer.Headers.Upgrade);
        Assert.NotEmpty(await answer.Content.ReadAsStringAsync(MappedHost.Timely));
    }

    [Theory]
    [InlineData(HttpProtocols.Http1)]
    [InlineData(HttpProtocols.Http2)]
    public async Task A_request_with_a_body_gets_413(HttpProtocols protocols)
    {
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.HttpRequestReceived += (_, e) => e.Respond(HttpStatusCode.OK, "raised"), protocols: protocols);
        using HttpClient client = new();
        foreach (HttpContent content in new HttpContent[] { new StringContent("body"), new StreamContent(new UnknownLength()) })
        {
            using HttpRequestMessage request = new(HttpMethod.Post, new Uri($"http://{host.EndPoint}/ws")) { Content = content, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            request.Version = protocols == HttpProtocols.Http2 ? HttpVersion.Version20 : HttpVersion.Version11;
            if (content is StreamContent)
                request.Headers.TransferEncodingChunked = protocols == HttpProtocols.Http1;
            using HttpResponseMessage answer = await client.SendAsync(request, MappedHost.Timely);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_handshake_without_a_key_gets_the_servers_answer()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        HttpAnswer answer = await host.AskAsync("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n");
        Assert.Equal("HTTP/1.1 400 Bad Request", answer.StatusLine);
        Assert.Contains("Sec-WebSocket-Key", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handshake_without_the_Connection_option_gets_the_servers_answer()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync();
        HttpAnswer answer = await host.AskAsync(RawClient.Request("/ws").Replace("Connection: Upgrade\r\n", "", StringComparison.Ordinal));
        Assert.Equal("HTTP/1.1 400 Bad Request", answer.StatusLine);
        host.AssertNoClients();
    }

    [Fact]
    public async Task Clients_over_the_limit_get_503()
    {
        await using MappedHost host = await MappedHost.StartEchoAsync(new WebSocketServerOptions { MaxClients = 1 });
        using RawClient first = await host.OpenRawAsync();
        HttpAnswer answer = await host.AskToConnectAsync();
        Assert.Equal("HTTP/1.1 503 Service Unavailable", answer.StatusLine);
        Assert.Equal(["5"], answer["Retry-After"]);
        Assert.NotEmpty(answer.Body);
    }

    [Fact]
    public async Task Clients_over_Kestrels_own_limit_get_503()
    {
        await using MappedHost host = await MappedHost.StartAsync(
            build: builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxConcurrentUpgradedConnections = 1));
        using RawClient first = await host.OpenRawAsync();
        HttpAnswer answer = await host.AskToConnectAsync();
        Assert.Equal("HTTP/1.1 503 Service Unavailable", answer.StatusLine);
        Assert.NotEmpty(answer.Body);
        Assert.Empty(answer["Sec-WebSocket-Accept"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_that_does_not_run_answers_503_and_the_log_tells_what_to_do(bool wasStarted)
    {
        await using MappedHost host = await MappedHost.StartAsync(isStarted: wasStarted);
        await host.Server.StopAsync(MappedHost.Timely);
        HttpAnswer answer = await host.AskToConnectAsync();
        Assert.Equal("HTTP/1.1 503 Service Unavailable", answer.StatusLine);
        Assert.Contains("not started", answer.Body, StringComparison.Ordinal);
        Assert.Equal(["5"], answer["Retry-After"]);
        Assert.Contains(host.Log.GetSnapshot(), line => line.Level == LogLevel.Warning && line.Message.Contains("StartAsync", StringComparison.Ordinal));
        await host.Server.StartAsync(MappedHost.Timely);
        using RawClient client = await host.OpenRawAsync();
    }

    [Theory]
    [InlineData("X-Name", "a\r\nOrigin: https://elsewhere.example")]
    [InlineData("X-Name", "a\nb")]
    [InlineData("X-Name", "a\0b")]
    [InlineData("X-Name: a\r\nX-Other", "b")]
    [InlineData("X-Name: a", "b")]
    [InlineData("", "b")]
    public async Task A_header_that_middleware_has_made_smuggles_no_line(string name, string value)
    {
        await using MappedHost host = await MappedHost.StartAsync(use: application => application.Use((context, next) =>
        {
            // Kestrel's own collection of headers takes them all the same.
            context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.Headers = new HeaderDictionary(
                context.Request.Headers.ToDictionary(StringComparer.OrdinalIgnoreCase))
            { [name] = value };
            return next(context);
        }));
        HttpAnswer answer = await host.AskToConnectAsync();
        Assert.Equal("HTTP/1.1 400 Bad Request", answer.StatusLine);
        Assert.NotEmpty(answer.Body);
        host.AssertNoClients();
    }

    [Fact]
    public async Task A_header_in_UTF8_arrives_as_it_was_sent()
    {
        string? seen = null;
        await using MappedHost host = await MappedHost.StartAsync(server => server.Handshaking += (_, e) => seen = e.Request.Headers["X-Name"]);
        using ClientWebSocket client = await host.ConnectAsync();
        using RawClient raw = await RawClient.ConnectAsync(host.EndPoint);
        await raw.WriteAsync(System.Text.Encoding.UTF8.GetBytes(RawClient.Request("/ws", "X-Name: Zoë")));
        await raw.ReadAcceptanceAsync();
        Assert.Equal("Zoë", seen);
    }

    [Fact]
    public async Task A_header_that_Kestrel_does_not_send_is_a_500_and_no_client_stays()
    {
        await using MappedHost host = await MappedHost.StartAsync(server => server.Handshaking += (_, e) => e.AddResponseHeader("X-Name", "Zo\u00EB"));
        HttpAnswer answer = await host.AskToConnectAsync();
        Assert.Equal("HTTP/1.1 500 Internal Server Error", answer.StatusLine);
        Assert.NotEmpty(answer.Body);
        await host.NextEndAsync();
        Assert.Empty(host.Server.Clients);
    }

    [Fact]
    public async Task A_client_that_goes_before_it_is_answered_is_noticed()
    {
        TaskCompletionSource gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MappedHost host = await MappedHost.StartAsync(
            server => server.Handshaking += async (_, e) =>
            {
                e.ConnectionClosed.Register(gone.SetResult);
                asked.SetResult();
                await gone.Task;
            },
            new WebSocketServerOptions { SlowHandlerThreshold = TimeSpan.FromMilliseconds(100) });
        using (RawClient client = await RawClient.ConnectAsync(host.EndPoint))
        {
            await client.WriteAsync(RawClient.Request("/ws"));
            await asked.Task.WaitAsync(MappedHost.Timely);
            client.Reset();
        }

        await gone.Task.WaitAsync(MappedHost.Timely);
        host.AssertNoClients();
    }

    /// <summary>100 bytes, and nobody is told how many.</summary>
    private sealed class UnknownLength : MemoryStream
    {
        public UnknownLength()
            : base(new byte[100])
        {
        }

        public override bool CanSeek => false;
    }
}
