using System.Net;
using System.Security.Claims;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Testing.Docs;

/// <summary>The examples of docs/testing.md, as they stand there: they compile and pass.</summary>
public class TestingGuideTests
{
    [Fact]
    public void Each_block_of_code_is_code_of_these_tests() =>
        GuideCode.AssertIsIn("docs/testing.md", 6, "tests/WebSocketServerKit.TestingTests/Docs/TestingGuideTests.cs");

#pragma warning disable xUnit1051 // the examples are short
    [Fact]
    public async Task A_message_reaches_the_others_in_the_room()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions());
        new ChatRooms(server).Serve();                       // your code: it subscribes to the events
        await server.StartAsync();                           // it listens nowhere, since the options name no place

        await using TestClient ann = await server.ConnectAsync("/rooms/7?name=ann");
        await using TestClient bob = await server.ConnectAsync("/rooms/7?name=bob");
        await ann.SendAsync("hello");
        await bob.ExpectTextAsync("ann: hello");
        await ann.ExpectNothingAsync();
    }

    [Fact]
    public async Task A_handler_that_sends_nothing_is_tested_by_what_it_has_done()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions());
        ChatRooms rooms = new(server);
        rooms.Serve();
        await server.StartAsync();
        await using TestClient client = await server.ConnectAsync("/rooms/7?name=ann");
        await client.SendAsync("/topic tea");
        await server.WhenIdleAsync();                            // the handlers have ended, async ones included
        Assert.Equal("tea", rooms.TopicOf("7"));
    }

    [Fact]
    public async Task Who_connects_and_who_is_refused()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions());
        new ChatRooms(server).Serve();
        await server.StartAsync();
        await using TestClient client = await server.ConnectAsync("/rooms/7?name=ann", options =>
        {
            options.AddHeader("Origin", "http://localhost").AddHeader("Cookie", "session=1");
            options.Subprotocols.Add("chat.v2");
            options.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", "ann")], "test"));
            options.RemoteEndPoint = IPEndPoint.Parse("203.0.113.9:50000");
        });
        Assert.Equal("ann", client.ServerSide.UserId);

        TestResponse refusal = await server.ExpectRefusedAsync(HttpStatusCode.BadRequest, "/rooms/7");
        Assert.Equal("Say who you are.", refusal.Body);
    }

    [Fact]
    public async Task A_slow_client()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions { SendQueueLimit = 4096 });
        await server.StartAsync();
        await using TestClient client = await server.ConnectAsync("/rooms/7?name=ann", options => options.BufferSize = 1024);
        client.PauseReading();                                   // it neither reads nor answers
        while (client.ServerSide.TrySend("news").IsAccepted)
        {
        }

        client.ResumeReading();
        await client.ExpectTextAsync("news");
    }

    [Fact]
    public async Task Time_passes()
    {
        FakeTimeProvider clock = new();
        await using WebSocketServer server = new(new WebSocketServerOptions { PingInterval = TimeSpan.FromSeconds(20), PingTimeout = TimeSpan.FromSeconds(10) }.UseTimeProvider(clock));
        await server.StartAsync();
        await using TestClient alive = await server.ConnectAsync();
        await using TestClient silent = await server.ConnectAsync();
        silent.PauseReading();

        await server.AdvanceAsync(clock.Advance, TimeSpan.FromMinutes(1));
        await silent.ExpectClosedAsync(CloseCode.AbnormalClosure);
        Assert.True(alive.IsOpen);
    }

    [Fact]
    public async Task One_handler()
    {
        await using TestClient client = await TestClient.StandAloneAsync("/rooms/7?name=ann");
        await CommandHandler.OnMessageAsync(client.ServerSide, TestEvents.MessageReceived(client.ServerSide, "/time"));
        await client.ExpectTextAsync("It is noon.");

        HandshakingEventArgs e = TestEvents.Handshaking("/rooms/7", options => options.AddHeader("Origin", "https://app.example.com"));
        NameCheck.OnHandshaking(e);
        Assert.Equal(HttpStatusCode.BadRequest, TestEvents.RefusalOf(e)?.Status);
    }
#pragma warning restore xUnit1051
}
