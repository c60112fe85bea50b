using System.Net;

namespace WebSocketServerKit.Options;

public class WebSocketServerOptionsTests
{
    public static TheoryData<string, Action<WebSocketServerOptions>> Impossible => new()
    {
        { "WebSocketServerOptions.Urls: an entry is empty", o => o.Urls.Add(null!) },
        { "WebSocketServerOptions.AllowedHosts is null. For an empty list set it to [].", o => o.AllowedHosts = null! },
        { "WebSocketServerOptions.Subprotocols: \"a b\" is no subprotocol name", o => o.Subprotocols.Add("a b") },
        { "WebSocketServerOptions.AllowedOrigins: \"https://a.example/chat\" has a path", o => o.AllowedOrigins.Add("https://a.example/chat") },
        { "WebSocketServerOptions.AllowedHosts: \"https://a.example\" is a URL", o => o.AllowedHosts.Add("https://a.example") },
        { "WebSocketServerOptions.AllowedHosts has an entry that is null.", o => o.AllowedHosts.Add(null!) },
        { "WebSocketServerOptions.MaxMessageSize is 0; it must be from 1 to ", o => o.MaxMessageSize = 0 },
        { "WebSocketServerOptions.MaxFragmentsPerMessage is 0", o => o.MaxFragmentsPerMessage = 0 },
        { "WebSocketServerOptions.MaxRequestHeadSize is 255", o => o.MaxRequestHeadSize = 255 },
        { "WebSocketServerOptions.MaxHeaderLines is 7", o => o.MaxHeaderLines = 7 },
        { "WebSocketServerOptions.SendQueueLimit is 1023", o => o.SendQueueLimit = 1023 },
        { "WebSocketServerOptions.MaxClients is 0", o => o.MaxClients = 0 },
        { "WebSocketServerOptions.MaxClientsPerRemoteAddress is -1", o => o.MaxClientsPerRemoteAddress = -1 },
        { "WebSocketServerOptions.MaxConcurrentHandshakes is 0", o => o.MaxConcurrentHandshakes = 0 },
        { "WebSocketServerOptions.ListenDefaults.Backlog is 0", o => o.ListenDefaults.Backlog = 0 },
        { "WebSocketServerOptions.MaxMessagesPerSecond is 0", o => o.MaxMessagesPerSecond = 0 },
        { "WebSocketServerOptions.MaxBytesPerSecond is 0", o => o.MaxBytesPerSecond = 0 },
        { "WebSocketServerOptions.StreamMessagesFrom is -1; it must be from 0 to ", o => o.StreamMessagesFrom = -1 },
        { "WebSocketServerOptions.MaxStreamedMessageSize is 0", o => o.MaxStreamedMessageSize = 0 },
        { "WebSocketServerOptions.StreamedMessageTimeout is ", o => o.StreamedMessageTimeout = TimeSpan.Zero },
        { "WebSocketServerOptions.MaxSubscriptionsPerClient is 0", o => o.MaxSubscriptionsPerClient = 0 },
        { "WebSocketServerOptions.MaxClientsPerUser is 0", o => o.MaxClientsPerUser = 0 },
        { "WebSocketServerOptions.Transport is 7; it must be one of Auto, Sockets, EventLoop.", o => o.Transport = (WebSocketTransport)7 },
        { "WebSocketServerOptions.ExpiryNotice is ", o => o.ExpiryNotice = TimeSpan.FromHours(25) },
        { "WebSocketServerOptions.ExpiryNotice is ", o => o.ExpiryNotice = Timeout.InfiniteTimeSpan },
        { "WebSocketServerOptions.OverRate is 7; it must be one of ReadSlower, Drop, Close.", o => o.OverRate = (RateLimitReaction)7 },
        { "WebSocketServerOptions.HandshakeTimeout is -00:00:00.0010000; it must be longer than zero and at most 01:00:00.", o => o.HandshakeTimeout = Timeout.InfiniteTimeSpan },
        { "WebSocketServerOptions.PingInterval is 00:00:00; it must be longer than zero and at most 12:00:00, or Timeout.InfiniteTimeSpan.", o => o.PingInterval = TimeSpan.Zero },
        { "WebSocketServerOptions.PingTimeout is ", o => o.PingTimeout = TimeSpan.FromHours(13) },
        { "WebSocketServerOptions.CloseTimeout is ", o => o.CloseTimeout = TimeSpan.Zero },
        { "WebSocketServerOptions.StopTimeout is ", o => o.StopTimeout = Timeout.InfiniteTimeSpan },
        { "WebSocketServerOptions.SlowHandlerThreshold is ", o => o.SlowHandlerThreshold = TimeSpan.FromSeconds(-5) },
        { "WebSocketServerOptions.SlowClients is 7; it must be one of Wait, DropNewest, DropOldest, Disconnect.", o => o.SlowClients = (SlowClientPolicy)7 },
        { "WebSocketServerOptions.HandlerExceptions is 7; it must be one of CloseClient, KeepClient.", o => o.HandlerExceptions = (HandlerExceptionPolicy)7 },
    };

    [Theory]
    [MemberData(nameof(Impossible), DisableDiscoveryEnumeration = true)]
    public async Task An_impossible_value_is_named_by_constructor_and_start(string message, Action<WebSocketServerOptions> spoil)
    {
        var spoilt = new WebSocketServerOptions().Listen(new IPEndPoint(IPAddress.Loopback, 0));
        spoil(spoilt);
        Assert.StartsWith(message, Assert.ThrowsAny<ArgumentException>(() => new WebSocketServer(spoilt)).Message, StringComparison.Ordinal);

        var options = new WebSocketServerOptions().Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await using var server = new WebSocketServer(options);
        spoil(options);
        Assert.StartsWith(message, (await Assert.ThrowsAnyAsync<ArgumentException>(() => server.StartAsync(TestContext.Current.CancellationToken))).Message, StringComparison.Ordinal);
        Assert.False(server.IsListening);
    }

    [Fact]
    public async Task Every_time_that_may_be_infinite_serves()
    {
        await using TestKit.TestServer server = await TestKit.TestServer.StartEchoAsync(options =>
        {
            options.PingInterval = Timeout.InfiniteTimeSpan;
            options.PingTimeout = Timeout.InfiniteTimeSpan;
            options.SlowHandlerThreshold = Timeout.InfiniteTimeSpan;
        });
        using TestKit.TestClient client = await server.OpenAsync();
        await client.SendAsync("x");
        Assert.Equal("x", await client.ReadTextAsync());
        await client.LeaveAsync();
    }

    [Theory]
    [InlineData(10_000, 500)]
    [InlineData(1_000, 250)]
    [InlineData(1, 10)]
    public void The_shortest_timeout_decides_how_often_the_server_looks(int pingMilliseconds, int beatMilliseconds)
    {
        var options = new WebSocketServerOptions { PingInterval = TimeSpan.FromMilliseconds(pingMilliseconds) };
        Assert.Equal(TimeSpan.FromMilliseconds(beatMilliseconds), options.HeartbeatInterval);
    }
}
