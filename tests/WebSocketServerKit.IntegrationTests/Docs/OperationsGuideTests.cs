using System.Security.Claims;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/operations.md and docs/identity.md show code that compiles and does what is said.</summary>
public sealed class OperationsGuideTests
{
    [Theory]
    [InlineData("operations.md", 4)]
    [InlineData("identity.md", 4)]
    public void Every_block_of_the_guides_is_compiled(string guide, int count) =>
        GuideCode.AssertIsIn($"docs/{guide}", count, "tests/WebSocketServerKit.IntegrationTests/Docs/OperationsGuide.cs", "tests/WebSocketServerKit.IntegrationTests/Docs/BasicsGuides.cs", "tests/WebSocketServerKit.AspNetCoreTests/Docs/OperationsGuide.cs");

    [Fact]
    public async Task A_token_says_who_the_client_is_and_a_user_is_signed_out_everywhere()
    {
        var tokens = new Tokens();
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            OperationsGuide.Users(server, tokens);
            OperationsGuide.Renew(server, tokens);
            OperationsGuide.Readiness(server);
        });
        using TestClient refused = await TestClient.ConnectAsync(server.EndPoint);
        await refused.WriteAsync(TestClient.Request());
        Assert.Equal(401, (await refused.ReadAnswerAsync()).Status);
        using TestClient check = await TestClient.ConnectAsync(server.EndPoint);
        await check.WriteAsync("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        Assert.Equal("ready", (await check.ReadAnswerAsync()).Body);

        (TestClient raw, WebSocketClient client) = await server.ConnectAsync("/?token=anna");
        using (raw)
        {
            DateTimeOffset first = client.ExpiresAt!.Value;
            await raw.SendAsync("anna");
            await Polling.UntilAsync(() => client.ExpiresAt > first);
            Task signingOut = OperationsGuide.SignOutAsync(server.Server, "anna");
            ReceivedFrame close = await raw.ReadFrameAsync();
            Assert.Equal((1008, "signed out"), (close.CloseCode, close.CloseReason));
            await raw.SendCloseAsync(1008);
            await signingOut.Timely();
        }
    }

    [Fact]
    public async Task The_stop_that_is_shown_can_be_cut()
    {
        await using TestServer server = await TestServer.StartAsync();
        using TestClient client = await server.OpenAsync();
        await server.NextClientAsync();
        StopResult result = await OperationsGuide.StopAsync(server.Server, new CancellationToken(canceled: true)).Timely();
        Assert.Equal(CutReason.StopCancelled, Assert.Single(result.Cut).Why);
    }

    private sealed class Tokens : OperationsGuide.ITokens
    {
        private int _hours;

        public Task<OperationsGuide.Token?> ValidateAsync(string? text) => Task.FromResult(
            text is null ? null : new OperationsGuide.Token(new ClaimsPrincipal(), text, DateTimeOffset.UtcNow + TimeSpan.FromHours(++_hours)));

        public Task<OperationsGuide.Token?> TryRenewAsync(string text) => ValidateAsync(text);
    }
}
