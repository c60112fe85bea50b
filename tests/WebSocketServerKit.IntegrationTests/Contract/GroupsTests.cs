using System.Buffers.Binary;
using System.Security.Claims;
using System.Text;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Contract;

public class GroupsTests
{
    [Fact]
    public async Task A_client_that_joins_in_ClientConnected_gets_what_its_group_gets()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
        {
            server.ClientConnected += (_, e) => e.Client.Join(e.Client.Path);
            server.MessageReceived += (_, e) => server.Clients.InGroup(e.Client.Path).Except(e.Client).Broadcast(e.Text);
        });
        using TestClient sender = await server.OpenAsync("/room"), member = await server.OpenAsync("/room"), other = await server.OpenAsync("/other");
        await Polling.UntilAsync(() => server.Clients.InAnyGroup("/room", "/other").Count == 3);
        await sender.SendAsync("hello");
        Assert.Equal("hello", await member.ReadTextAsync());
        await member.SendAsync("hi");
        Assert.Equal("hi", await sender.ReadTextAsync()); // not its own
        server.Clients.Broadcast("end");
        Assert.Equal("end", await other.ReadTextAsync()); // and nothing before
    }

    [Fact]
    public async Task A_client_has_left_its_groups_and_joins_none_when_ClientDisconnected_tells_which_they_were()
    {
        TaskCompletionSource<string> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestServer server = await TestServer.StartAsync(server => server.ClientDisconnected += (_, e) =>
        {
            bool joined = e.Client.Join("late") | e.Client.Leave("a") | e.Client.AddTag("late");
            seen.TrySetResult(
                $"left {string.Join(' ', e.Groups.Order(StringComparer.Ordinal))}, is in {e.Client.Groups.Count} and {e.Client.IsIn("a")}, joined {joined}, "
                + $"groups {server.Clients.Groups.Count}, tags {string.Join(' ', e.Client.Tags)}, found {server.Clients.WithTag("t").Count + server.Clients.InGroup("a").Count}");
        });
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        client.Join("a");
        client.Join("b");
        client.AddTag("t");
        Assert.Equal(2, server.Clients.Groups.Count);
        await raw.LeaveAsync();
        Assert.Equal("left a b, is in 0 and False, joined False, groups 0, tags t, found 0", await seen.Task.Timely());
        Assert.False(client.Join("afterwards"));
        Assert.Empty(server.Clients.Groups);
        raw.Dispose();
    }

    [Fact]
    public async Task Who_joins_while_a_client_disconnects_is_told_the_truth_and_nothing_stays_behind()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        for (int round = 0; round < 30; round++)
        {
            (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
            // Each thread joins one group after the other, and leaves the older ones, until it is told that the client has left.
            using var started = new CountdownEvent(4);
            Task<Queue<string>>[] joining = [.. Enumerable.Range(0, 4).Select(thread => Task.Factory.StartNew(
                () =>
                {
                    started.Signal();
                    Queue<string> groups = [];
                    for (int i = 0; client.Join($"{thread}.{i}"); i++)
                    {
                        groups.Enqueue($"{thread}.{i}");
                        if (groups.Count > 20 && client.Leave(groups.Peek()))
                            groups.Dequeue();
                    }

                    return groups;
                },
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default))];
            Assert.True(started.Wait(TimeSpan.FromSeconds(30), CancellationToken.None));
            if (round % 2 == 0)
                raw.Reset();
            else
                client.Abort();
            Queue<string>[] joined = await Task.WhenAll(joining).Timely();
            ClientDisconnectedEventArgs end = await server.NextEndAsync();
            Assert.Equal(joined.SelectMany(groups => groups).Order(StringComparer.Ordinal), end.Groups.Order(StringComparer.Ordinal), StringComparer.Ordinal);
            Assert.Empty(server.Clients.Groups);
            Assert.Empty(client.Groups);
            raw.Dispose();
        }
    }

    [Fact]
    public async Task A_group_is_closed_with_one_code_and_all_of_it_has_left_when_that_completes()
    {
        const int Count = 200;
        await using TestServer server = await TestServer.StartEchoAsync();
        List<TestClient> raws = [];
        for (int i = 0; i < Count; i++)
        {
            (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
            client.Join(i % 4 == 0 ? "stays" : "leaves");
            raws.Add(raw);
        }

        Task[] clients = [.. raws.Where((_, i) => i % 4 != 0).Select(raw => AnswerCloseAsync(raw, 4001, "the room is closed"))];
        await server.Clients.InGroup("leaves").CloseAsync(4001, "the room is closed", TestServer.Timely);
        Assert.Equal(Count / 4, server.Clients.Count);
        Assert.Equal(["stays"], server.Clients.Groups);
        await Task.WhenAll(clients).Timely();
        raws.ForEach(raw => raw.Dispose());
    }

    [Fact]
    public async Task A_handler_may_await_that_everybody_is_closed_its_own_client_included()
    {
        TaskCompletionSource closed = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, _) =>
        {
            await server.Clients.CloseAsync(4002, "enough", TestServer.Timely);
            closed.SetResult();
        });
        (TestClient sender, _) = await server.ConnectAsync();
        (TestClient other, _) = await server.ConnectAsync();
        await sender.SendAsync("close");
        await Task.WhenAll(((TestClient[])[sender, other]).Select(raw => AnswerCloseAsync(raw, 4002, "enough"))).Timely();
        await closed.Task.Timely();
        await Polling.UntilAsync(() => server.Clients.Count == 0);
        sender.Dispose();
        other.Dispose();
    }

    [Fact]
    public async Task Cancelling_ends_the_wait_and_not_the_closing()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient raw, WebSocketClient client) = await server.ConnectAsync();
        using var cancelled = new CancellationTokenSource();
        Task closing = server.Clients.CloseAsync(cancelled.Token);
        Assert.False(closing.IsCompleted);
        Assert.False(client.IsOpen);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => closing).Timely();
        await AnswerCloseAsync(raw, 1000, "");
        Assert.Same(client, (await server.NextEndAsync()).Client);
        raw.Dispose();
    }

    [Fact]
    public async Task All_connections_of_a_user_are_found_and_reset()
    {
        await using TestServer server = await TestServer.StartAsync(server =>
            server.Handshaking += (_, e) => e.User = e.Request.Query["user"] is { } user ? new ClaimsPrincipal(new ClaimsIdentity([new Claim("sub", user)], "test")) : null);
        (TestClient phone, WebSocketClient first) = await server.ConnectAsync("/?user=ada");
        (TestClient laptop, WebSocketClient second) = await server.ConnectAsync("/?user=ada");
        (TestClient other, WebSocketClient third) = await server.ConnectAsync("/?user=Ada");
        (TestClient nobody, WebSocketClient fourth) = await server.ConnectAsync();
        Assert.Equal(["ada", "ada", "Ada", null], new[] { first, second, third, fourth }.Select(client => client.UserId), StringComparer.Ordinal);
        Assert.Equal([first, second], server.Clients.WithUser("ada").OrderBy(client => client.Id));
        server.Clients.WithUser("ada").Abort();
        await phone.AssertResetAsync();
        await laptop.AssertResetAsync();
        await Polling.UntilAsync(() => server.Clients.Count == 2);
        Assert.Empty(server.Clients.WithUser("ada"));
        Assert.Equal([third], server.Clients.WithUser("Ada"));
        Array.ForEach([phone, laptop, other, nobody], raw => raw.Dispose());
    }

    private static async Task AnswerCloseAsync(TestClient raw, ushort code, string reason)
    {
        ReceivedFrame frame = await raw.ReadFrameAsync();
        Assert.Equal((Opcode.Close, code, reason), (frame.Opcode, BinaryPrimitives.ReadUInt16BigEndian(frame.Payload), Encoding.UTF8.GetString(frame.Payload.AsSpan(2))));
        await raw.SendCloseAsync(code);
    }
}
