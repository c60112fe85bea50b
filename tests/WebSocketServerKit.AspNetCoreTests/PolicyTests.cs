using System.Security.Claims;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Cors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using WebSocketServerKit.Raw;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>What the host's middleware and the endpoint's metadata decide about a request.</summary>
public sealed class PolicyTests
{
    [Theory]
    [InlineData(null, "HTTP/1.1 401 Unauthorized")]
    [InlineData("guest", "HTTP/1.1 403 Forbidden")]
    [InlineData("admin", "HTTP/1.1 101 Switching Protocols")]
    public async Task Authorization_comes_first_and_what_it_refuses_the_server_does_not_see(string? user, string status)
    {
        int asked = 0;
        await using MappedHost host = await StartWithUsersAsync(
            server => server.Handshaking += (_, _) => asked++,
            (application, server) => application.MapWebSocketServer("/ws", server).RequireAuthorization(policy => policy.RequireRole("admin")));
        HttpAnswer answer = await host.AskToConnectAsync("/ws", user is null ? [] : [$"X-User: {user}"]);
        Assert.Equal(status, answer.StatusLine);
        Assert.Equal(user is "admin" ? 1 : 0, asked);
        if (user is "admin")
            Assert.Equal("admin", (await host.NextClientAsync()).User!.Identity!.Name);
        else
            host.AssertNoClients();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_authenticated_user_is_the_clients_with_and_without_a_handler(bool hasHandler)
    {
        ClaimsPrincipal? seen = null;
        await using MappedHost host = await StartWithUsersAsync(server =>
        {
            if (hasHandler)
                server.Handshaking += (_, e) => seen = e.User;
        });
        using RawClient client = await host.OpenRawAsync("/ws", "X-User: ada");
        WebSocketClient connected = await host.NextClientAsync();
        Assert.Equal("ada", connected.User!.Identity!.Name);
        Assert.Same(connected.GetHttpContext()!.User, connected.User);
        Assert.Equal(hasHandler, ReferenceEquals(seen, connected.User));
    }

    [Fact]
    public async Task A_client_that_nobody_has_authenticated_has_no_user()
    {
        await using MappedHost host = await StartWithUsersAsync();
        using RawClient client = await host.OpenRawAsync();
        Assert.Null((await host.NextClientAsync()).User);
    }

    [Theory]
    [InlineData("https://app.example", true)]
    [InlineData("https://elsewhere.example", false)]
    [InlineData("null", false)]
    [InlineData("http://localhost", true)] // the host's own
    [InlineData("http://localhost:81", false)]
    [InlineData("https://listed-by-the-server.example", false)]
    [InlineData(null, true)]
    public async Task A_CORS_policy_of_the_endpoint_decides_about_foreign_pages(string? origin, bool isAllowed)
    {
        await using MappedHost host = await StartWithCorsAsync((application, server) => application.MapWebSocketServer("/ws", server).RequireCors(policy => policy.WithOrigins("https://app.example")));
        await AssertAsync(host, origin, isAllowed);
    }

    [Theory]
    [InlineData("https://named.example", true)]
    [InlineData("https://elsewhere.example", false)]
    public async Task A_CORS_policy_may_be_named(string origin, bool isAllowed)
    {
        await using MappedHost host = await StartWithCorsAsync((application, server) => application.MapWebSocketServer("/ws", server).WithMetadata(new EnableCorsAttribute("named")));
        await AssertAsync(host, origin, isAllowed);
    }

    [Fact]
    public async Task A_CORS_policy_for_every_origin_lets_every_page_in()
    {
        await using MappedHost host = await StartWithCorsAsync((application, server) => application.MapWebSocketServer("/ws", server).RequireCors(policy => policy.AllowAnyOrigin()));
        await AssertAsync(host, "null", isAllowed: true);
    }

    [Theory]
    [InlineData("https://named.example", false)]
    [InlineData("http://localhost", true)]
    public async Task An_endpoint_without_CORS_is_for_pages_of_its_own_host(string origin, bool isAllowed)
    {
        await using MappedHost host = await StartWithCorsAsync((application, server) => application.MapWebSocketServer("/ws", server).WithMetadata(new DisableCorsAttribute()));
        await AssertAsync(host, origin, isAllowed);
    }

    [Theory]
    [InlineData("https://listed-by-the-server.example", true)]
    [InlineData("https://named.example", false)]
    public async Task Without_CORS_metadata_the_servers_own_rules_hold(string origin, bool isAllowed)
    {
        await using MappedHost host = await StartWithCorsAsync((application, server) => application.MapWebSocketServer("/ws", server));
        await AssertAsync(host, origin, isAllowed);
    }

    [Fact]
    public async Task A_page_behind_a_proxy_that_speaks_TLS_may_connect_to_its_own_host_although_the_host_does_not_know_the_scheme()
    {
        await using MappedHost host = await MappedHost.StartAsync();
        Assert.Equal("HTTP/1.1 101 Switching Protocols", (await host.AskToConnectAsync("/ws", "Origin: https://localhost")).StatusLine);
    }

    [Fact]
    public async Task A_page_of_its_own_origin_is_still_subject_to_the_servers_hosts()
    {
        // DNS rebinding: the page's host leads to this machine.
        await using MappedHost host = await StartWithCorsAsync((application, server) => application.MapWebSocketServer("/ws", server).RequireCors("named"));
        string request = RawClient.Request("/ws", "Origin: http://rebound.example").Replace("Host: localhost", "Host: rebound.example", StringComparison.Ordinal);
        Assert.Equal("HTTP/1.1 421 Misdirected Request", (await host.AskAsync(request)).StatusLine);
    }

    [Fact]
    public async Task A_CORS_policy_that_is_not_registered_is_an_error_of_the_program()
    {
        await using MappedHost host = await StartWithCorsAsync((application, server) => application.MapWebSocketServer("/ws", server).RequireCors("unknown"));
        Assert.Equal("HTTP/1.1 500 Internal Server Error", (await host.AskToConnectAsync("/ws", "Origin: https://app.example")).StatusLine);
        Assert.Contains(host.Log.GetSnapshot(), line => line.Exception?.Message.Contains("\"unknown\"", StringComparison.Ordinal) == true);
    }

    private static async Task AssertAsync(MappedHost host, string? origin, bool isAllowed)
    {
        HttpAnswer answer = await host.AskToConnectAsync("/ws", origin is null ? [] : [$"Origin: {origin}"]);
        Assert.Equal(isAllowed ? "HTTP/1.1 101 Switching Protocols" : "HTTP/1.1 403 Forbidden", answer.StatusLine);
        if (!isAllowed)
            Assert.NotEmpty(answer.Body);
    }

    private static Task<MappedHost> StartWithCorsAsync(Action<WebApplication, WebSocketServer> map) => MappedHost.StartAsync(
        options: new WebSocketServerOptions { AllowedOrigins = ["https://listed-by-the-server.example"] },
        build: builder => builder.Services.AddCors(cors => cors.AddPolicy("named", policy => policy.WithOrigins("https://named.example"))),
        use: application => application.UseCors(),
        map: map);

    private static Task<MappedHost> StartWithUsersAsync(Action<WebSocketServer>? subscribe = null, Action<WebApplication, WebSocketServer>? map = null) => MappedHost.StartAsync(
        subscribe,
        build: builder =>
        {
            builder.Services.AddAuthentication("header").AddScheme<AuthenticationSchemeOptions, UserInHeader>("header", null);
            builder.Services.AddAuthorization();
        },
        use: application =>
        {
            application.UseAuthentication();
            application.UseAuthorization();
        },
        map: map);

    private sealed class UserInHeader(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync()
        {
            if (Request.Headers["X-User"] is not [{ } name])
                return Task.FromResult(AuthenticateResult.NoResult());
            ClaimsIdentity identity = new([new Claim(ClaimTypes.Name, name), new Claim(ClaimTypes.Role, name)], "header");
            return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), "header")));
        }
    }
}
