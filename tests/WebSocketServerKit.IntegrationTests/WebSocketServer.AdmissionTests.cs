using System.Net;
using System.Net.WebSockets;
using System.Security.Claims;
using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Testing;
using WebSocketServerKit.TestKit;
using MemoryClient = WebSocketServerKit.Testing.TestClient;
using TestClient = WebSocketServerKit.TestKit.TestClient;

namespace WebSocketServerKit;

/// <summary>Who may be connected, for how long, and how much a client may send.</summary>
public sealed class WebSocketServerAdmissionTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static FakeTimeProvider Clock(TestServer server) => (FakeTimeProvider)server.Options.TimeProvider;

    private static Task<TestServer> StartAsync(Action<WebSocketServer> subscribe, Action<WebSocketServerOptions>? configure = null) => TestServer.StartAsync(
        subscribe,
        options =>
        {
            options.TimeProvider = new FakeTimeProvider();
            options.PingInterval = Timeout.InfiniteTimeSpan;
            options.CloseTimeout = options.HandshakeTimeout = TimeSpan.FromHours(1);
            configure?.Invoke(options);
        });

    [Fact]
    public async Task A_session_is_told_about_before_it_ends_and_closed_with_1008_when_it_has_expired()
    {
        TaskCompletionSource<ClientExpiringEventArgs> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        DateTimeOffset expires = default;
        await using TestServer server = await StartAsync(server =>
        {
            server.Handshaking += (_, e) => e.ExpiresAt = expires;
            server.ClientExpiring += (_, e) => told.SetResult(e);
        });
        expires = Clock(server).GetUtcNow() + 5 * Minute;
        await using MemoryClient raw = await server.Server.ConnectAsync();
        WebSocketClient client = raw.ServerSide;
        Assert.Equal(expires, client.ExpiresAt);
        server.Pass(3.9 * Minute);
        Assert.False(told.Task.IsCompleted);
        server.Pass(0.2 * Minute);
        ClientExpiringEventArgs e = await told.Task.Timely();
        Assert.Equal((client, expires), (e.Client, e.ExpiresAt));
        Assert.True(client.IsOpen);

        server.Pass(Minute);
        await raw.ExpectClosedAsync(CloseCode.PolicyViolation, "session has expired");
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.Expired, ConnectionSide.Server, true), (end.Cause, end.ClosedBy, end.WasClean));
        Assert.Equal(expires, client.ExpiresAt);
        client.ExpiresAt = null;
        Assert.Equal(expires, client.ExpiresAt);
    }

    [Fact]
    public async Task A_handler_renews_the_session_and_is_asked_again_before_the_next_end()
    {
        var asked = Channel.CreateUnbounded<DateTimeOffset>();
        await using TestServer server = await StartAsync(
            server => server.OnExpiring(async (client, e) =>
            {
                await Task.Yield();
                client.ExpiresAt = e.ExpiresAt + 10 * Minute;
                asked.Writer.TryWrite(e.ExpiresAt);
            }),
            options => options.ExpiryNotice = 2 * Minute);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            DateTimeOffset first = Clock(server).GetUtcNow() + 3 * Minute;
            client.ExpiresAt = first;
            for (int round = 0; round < 3; round++)
            {
                server.Pass(round == 0 ? 1.5 * Minute : 10 * Minute);
                Assert.Equal(first + round * 10 * Minute, await asked.Reader.ReadAsync(TestServer.Timely));
            }

            Assert.True(client.IsOpen);
            Assert.Equal(first + 30 * Minute, client.ExpiresAt);
        }
    }

    [Fact]
    public async Task A_session_that_has_expired_at_the_handshake_is_refused_with_401()
    {
        DateTimeOffset expires = default;
        await using TestServer server = await StartAsync(server => server.Handshaking += (_, e) => e.ExpiresAt = expires);
        foreach (DateTimeOffset past in (DateTimeOffset[])[Clock(server).GetUtcNow(), DateTimeOffset.MinValue])
        {
            expires = past;
            TestResponse answer = await server.Server.ExpectRefusedAsync(HttpStatusCode.Unauthorized);
            Assert.Equal("The session has expired. Sign in again.\n", answer.Body);
            Assert.Equal("Bearer error=\"invalid_token\"", answer["WWW-Authenticate"]);
        }

        expires = DateTimeOffset.MaxValue;
        await using MemoryClient client = await server.Server.ConnectAsync();
        server.Pass(Minute);
        Assert.True(client.ServerSide.IsOpen);
    }

    [Fact]
    public async Task The_user_is_who_the_handler_says_else_who_the_claims_say()
    {
        await using TestServer server = await StartAsync(server => server.Handshaking += (_, e) =>
        {
            e.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", "claimed")]));
            e.UserId = e.Request.Path == "/named" ? "named" : "";
        });
        await using MemoryClient named = await server.Server.ConnectAsync("/named");
        Assert.Equal("named", named.ServerSide.UserId);
        await using MemoryClient claimed = await server.Server.ConnectAsync();
        Assert.Equal("claimed", claimed.ServerSide.UserId);
        Assert.Equal([named.ServerSide], server.Clients.WithUser("named"));
    }

    [Fact]
    public async Task A_user_has_only_as_many_connections_as_allowed_whatever_comes_at_once_and_gets_each_place_back()
    {
        const int Most = 3;
        await using TestServer server = await StartAsync(
            server => server.Handshaking += async (_, e) =>
            {
                await Task.Yield();
                e.UserId = e.Request.Path == "/nobody" ? null : "anna";
            },
            options => options.MaxClientsPerUser = Most);
        for (int round = 0; round < 3; round++)
        {
            TestClient[] all = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => TestClient.ConnectAsync(server.EndPoint)));
            await Task.WhenAll(all.Select(client => client.WriteAsync(TestClient.Request())));
            List<TestClient> accepted = [];
            foreach (TestClient client in all)
            {
                ReceivedAnswer answer = await client.ReadAnswerAsync();
                Assert.True(answer.Status is 101 or 429, $"{answer.Status}");
                if (answer.Status == 101)
                    accepted.Add(client);
            }

            Assert.Equal(Most, accepted.Count);
            using TestClient nobody = await server.OpenAsync("/nobody");
            // Each kind of end gives its place back before ClientDisconnected is raised.
            await accepted[0].LeaveAsync();
            accepted[1].Reset();
            foreach (WebSocketClient client in server.Clients.WithUser("anna").Take(1))
                client.Abort();
            foreach (TestClient client in all)
                client.Dispose();
            nobody.Dispose();
            for (int i = 0; i < Most + 1; i++)
                await server.NextEndAsync();
        }
    }

    [Fact]
    public async Task A_connection_that_is_lost_while_it_is_accepted_gives_its_place_back()
    {
        TaskCompletionSource inHandler = Async.Gate();
        TaskCompletionSource goOn = Async.Gate();
        await using TestServer server = await StartAsync(
            server => server.Handshaking += async (_, e) =>
            {
                e.UserId = "anna";
                if (e.Request.Path != "/lost")
                    return;
                inHandler.SetResult();
                await goOn.Task;
            },
            options => options.MaxClientsPerUser = 1);
        TestClient lost = await TestClient.ConnectAsync(server.EndPoint);
        await lost.WriteAsync(TestClient.Request("/lost"));
        await inHandler.Task.Timely();
        lost.Reset();
        goOn.SetResult();
        // Whether it was accepted before the loss was seen or not, the place is free soon.
        int status;
        do
        {
            using TestClient next = await TestClient.ConnectAsync(server.EndPoint);
            await next.WriteAsync(TestClient.Request());
            status = (await next.ReadAnswerAsync()).Status;
        }
        while (status == 429);

        Assert.Equal(101, status);
    }

    [Fact]
    public async Task Too_many_messages_are_dropped_and_counted_and_nothing_else_is()
    {
        var over = Channel.CreateUnbounded<ClientOverRateEventArgs>();
        List<string> received = [];
        await using TestServer server = await StartAsync(
            server =>
            {
                server.MessageReceived += (_, e) => received.Add(e.Text);
                server.ClientOverRate += (_, e) => over.Writer.TryWrite(e);
            },
            options =>
            {
                options.MaxMessagesPerSecond = 2;
                options.OverRate = RateLimitReaction.Drop;
            });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            await raw.WriteAsync((byte[])
            [
                .. TestClient.Text("1"), .. TestClient.Text("2"), .. TestClient.Text("3"),
                .. TestClient.Frame(Opcode.Text, "4 a"u8, fin: false), .. TestClient.Frame(Opcode.Ping, "?"u8), .. TestClient.Frame(Opcode.Continuation, "4 b"u8),
                .. TestClient.Frame(Opcode.Text, [0xFF]), .. TestClient.Frame(Opcode.Ping, "!"u8),
            ]);
            Assert.Equal("?", (await raw.ReadFrameAsync()).Text);
            Assert.Equal("!", (await raw.ReadFrameAsync()).Text);
            Assert.Equal(["1", "2"], received);
            Assert.Equal((2L, 3L), (client.MessagesReceived, client.MessagesRefused));
            ClientOverRateEventArgs e = await over.Reader.ReadAsync(TestServer.Timely);
            Assert.Equal((client, RateLimitReaction.Drop), (e.Client, e.Reaction));

            // What was dropped does not count: after the burst there is one each half second.
            server.Pass(Minute);
            await raw.WriteAsync((byte[])[.. TestClient.Text("5"), .. TestClient.Text("6"), .. TestClient.Text("7"), .. TestClient.Frame(Opcode.Ping, "?"u8)]);
            Assert.Equal("?", (await raw.ReadFrameAsync()).Text);
            Assert.Equal(["1", "2", "5", "6"], received);
            Assert.Equal(4, client.MessagesRefused);
            await over.Reader.ReadAsync(TestServer.Timely);
            Assert.False(over.Reader.TryRead(out _));
        }
    }

    [Fact]
    public async Task A_dropped_message_of_many_fragments_costs_no_memory()
    {
        await using TestServer server = await StartAsync(
            _ => { },
            options =>
            {
                options.MaxBytesPerSecond = 10;
                options.OverRate = RateLimitReaction.Drop;
                options.MaxMessageSize = 64 * 1024 * 1024;
            });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            await raw.SendAsync("more than ten bytes");
            byte[] fragment = TestClient.Frame(Opcode.Continuation, new byte[64 * 1024], fin: false);
            await raw.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[1000], fin: false));
            for (int i = 0; i < 100; i++)
                await raw.WriteAsync(fragment);
            await raw.WriteAsync(TestClient.Frame(Opcode.Ping, "?"u8));
            Assert.Equal("?", (await raw.ReadFrameAsync()).Text);
            Assert.InRange(server.Server.BufferedBytes, 0, (256 * 1024) + 256); // of 6.5 MB: the receive buffer, and the smallest one for a header that is cut
            Assert.Equal(0, client.MessagesRefused);
            await raw.WriteAsync((byte[])[.. TestClient.Frame(Opcode.Continuation, [], fin: true), .. TestClient.Frame(Opcode.Ping, "!"u8)]);
            Assert.Equal("!", (await raw.ReadFrameAsync()).Text);
            Assert.Equal((1L, 1L), (client.MessagesReceived, client.MessagesRefused));
        }
    }

    [Fact]
    public async Task A_compressed_message_that_is_dropped_spoils_no_later_one()
    {
        List<string> received = [];
        await using TestServer server = await StartAsync(
            server => server.MessageReceived += (_, e) => received.Add(e.Text),
            options =>
            {
                options.MaxMessagesPerSecond = 1;
                options.OverRate = RateLimitReaction.Drop;
                options.PerMessageDeflate = new PerMessageDeflateOptions { ClientContextTakeover = true, ServerContextTakeover = true };
            });
        await using MemoryClient client = await server.Server.ConnectAsync(configure: options => options.Compression = new WebSocketDeflateOptions());
        Assert.Contains("client_no_context_takeover", client.ServerSide.Extensions, StringComparison.Ordinal);
        string text = string.Concat(Enumerable.Repeat("the same words again and again; ", 100));
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < 3; i++)
                await client.SendAsync($"{text}{round}{i}");
            await server.Server.WhenIdleAsync();
            Assert.Equal($"{text}{round}0", received[^1]);
            Assert.Equal((round + 1L, 2 * (round + 1L)), (received.Count, client.ServerSide.MessagesRefused));
            server.Pass(5 * Minute);
        }
    }

    [Fact]
    public async Task The_first_message_too_many_closes_with_1008_after_what_was_received_and_what_is_pending()
    {
        var over = Channel.CreateUnbounded<ClientOverRateEventArgs>();
        await using TestServer server = await StartAsync(
            server =>
            {
                server.MessageReceived += async (_, e) => await e.Client.SendAsync($"got {e.Text}");
                server.ClientOverRate += (_, e) => over.Writer.TryWrite(e);
                server.Handshaking += (_, e) => e.Options.OverRate = RateLimitReaction.Close;
            },
            options => options.MaxMessagesPerSecond = 2);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            await raw.WriteAsync((byte[])[.. TestClient.Text("1"), .. TestClient.Text("2"), .. TestClient.Frame(Opcode.Ping, "?"u8), .. TestClient.Text("3"), .. TestClient.Text("4")]);
            Assert.Equal("got 1", await raw.ReadTextAsync());
            Assert.Equal("got 2", await raw.ReadTextAsync());
            Assert.Equal("?", (await raw.ReadFrameAsync()).Text);
            ReceivedFrame close = await raw.ReadFrameAsync();
            Assert.Equal((Opcode.Close, 1008, "too many messages"), (close.Opcode, close.CloseCode, close.CloseReason));
            Assert.Equal(RateLimitReaction.Close, (await over.Reader.ReadAsync(TestServer.Timely)).Reaction);
            await raw.SendCloseAsync(1008);
            await raw.AssertEndAsync();
            ClientDisconnectedEventArgs end = await server.NextEndAsync();
            Assert.Equal((DisconnectCause.LimitExceeded, ConnectionSide.Server, true), (end.Cause, end.ClosedBy, end.WasClean));
            Assert.Equal(1, client.MessagesRefused);
        }
    }

    [Theory]
    [InlineData(RateLimitReaction.Drop)]
    [InlineData(RateLimitReaction.Close)]
    public async Task A_message_that_is_handed_on_in_parts_is_read_more_slowly_and_not_refused_in_its_middle(RateLimitReaction reaction)
    {
        const int Size = 1_000_000;
        TaskCompletionSource<int> read = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await StartAsync(
            server => server.OnMessageStream(async (_, message) =>
            {
                byte[] buffer = new byte[64 * 1024];
                int total = 0;
                for (int count = 1; count > 0; total += count)
                    count = await message.ReadAsync(buffer, TestServer.Timely);
                read.SetResult(total);
            }),
            options =>
            {
                options.StreamMessagesFrom = 0;
                options.StreamedMessageTimeout = Timeout.InfiniteTimeSpan;
                options.MaxBytesPerSecond = 20_000;
                options.OverRate = reaction;
            });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            Task sending = raw.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[Size]));
            int seconds = 0;
            CancellationToken timely = TestServer.Timely;
            for (; !read.Task.IsCompleted; seconds++)
            {
                server.Pass(TimeSpan.FromSeconds(1));
                await Task.WhenAny(read.Task, Task.Delay(1, timely));
            }

            await sending.Timely();
            Assert.Equal(Size, await read.Task);
            // 50 s, but for what is read at once at the begin and at the end.
            Assert.InRange(seconds, 10, int.MaxValue);
            Assert.Equal((1L, 0L, true), (client.MessagesReceived, client.MessagesRefused, client.IsOpen));
        }
    }

    [Fact]
    public async Task Reading_slower_is_told_once_however_long_it_lasts()
    {
        var over = Channel.CreateUnbounded<ClientOverRateEventArgs>();
        int received = 0;
        await using TestServer server = await StartAsync(
            server =>
            {
                server.MessageReceived += (_, _) => Interlocked.Increment(ref received);
                server.OnOverRate((_, e) =>
                {
                    over.Writer.TryWrite(e);
                    return ValueTask.CompletedTask;
                });
            },
            options => options.MaxMessagesPerSecond = 1);
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using (raw)
        {
            await raw.WriteAsync(Enumerable.Range(0, 6).SelectMany(i => TestClient.Text($"{i}")).ToArray());
            for (int i = 1; i < 6; i++)
            {
                await Polling.UntilAsync(() => Volatile.Read(ref received) >= i);
                server.Pass(TimeSpan.FromSeconds(1));
            }

            await Polling.UntilAsync(() => Volatile.Read(ref received) == 6);
            Assert.Equal(RateLimitReaction.ReadSlower, (await over.Reader.ReadAsync(TestServer.Timely)).Reaction);
            Assert.False(over.Reader.TryRead(out _));
            Assert.Equal(0, client.MessagesRefused);
        }
    }
}
