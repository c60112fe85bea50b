using System.Net;
using WebSocketServerKit.TestKit;
using static WebSocketServerKit.ClientChangeKind;

namespace WebSocketServerKit.Contract;

public class WatchingTests
{
    // Who has read everything up to a change knows who was connected then. A double, a gap or a change of an unknown client fails.
    private static async Task<HashSet<WebSocketClient>> ReadUntilAsync(ClientRegistry clients, Func<ClientChange, bool> isLast, Func<Task>? pause = null)
    {
        HashSet<WebSocketClient> present = [];
        await foreach (ClientChange change in clients.WatchAsync(TestServer.Timely))
        {
            switch (change.Kind)
            {
                case Connected:
                    Assert.True(present.Add(change.Client), $"{change.Client} was told twice.");
                    break;
                case Changed:
                    Assert.Contains(change.Client, present);
                    break;
                default:
                    Assert.True(present.Remove(change.Client), $"{change.Client} left and was not told before.");
                    break;
            }

            if (isLast(change))
                break;
            if (pause is not null)
                await pause();
        }

        return present;
    }

    [Fact]
    public async Task Readers_that_begin_at_any_time_while_clients_come_change_and_leave_miss_nothing_and_hear_nothing_twice()
    {
        int come = 0;
        await using TestServer server = await TestServer.StartAsync(server => server.ClientConnected += (_, e) =>
        {
            e.Client.Join($"{e.Client.Id % 7}");
            Interlocked.Increment(ref come);
        });
        TestClient[] stay = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => server.OpenAsync("/stays")));
        Task coming = Parallel.ForAsync(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestServer.Timely }, async (i, _) =>
        {
            TestClient client = await server.OpenAsync("/guest");
            if (i % 2 == 0)
                await client.LeaveAsync();
            else
                client.Reset();
            client.Dispose();
        });
        List<Task<HashSet<WebSocketClient>>> readers = [];
        while (!coming.IsCompleted)
        {
            if (Volatile.Read(ref come) >= 10 * readers.Count)
            {
                // Every third is slow.
                Func<Task>? pause = readers.Count % 3 == 0 ? async () => await Task.Yield() : null;
                readers.Add(Task.Run(() => ReadUntilAsync(server.Clients, change => change is { Kind: Connected, Client.Path: "/last" }, pause), TestServer.Timely));
            }

            await Task.Yield();
        }

        await coming.Timely();
        await Polling.UntilAsync(() => server.Clients.Count == stay.Length);
        using TestClient last = await server.OpenAsync("/last");
        foreach (Task<HashSet<WebSocketClient>> reader in readers)
            Assert.Equal(server.Clients.OrderBy(client => client.Id), (await reader.Timely()).OrderBy(client => client.Id));
        Assert.False(server.Clients.IsWatched);
        Array.ForEach(stay, client => client.Dispose());
    }

    [Fact]
    public async Task A_reader_that_stops_reading_holds_up_nobody_and_has_one_change_per_client_to_read_then()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        (TestClient leaves, WebSocketClient leaving) = await server.ConnectAsync();
        (TestClient stays, WebSocketClient staying) = await server.ConnectAsync();
        List<ClientChange> read = [];
        TaskCompletionSource readTwo = Async.Gate(), go = Async.Gate();
        Task reading = Task.Run(
            async () =>
            {
                await foreach (ClientChange change in server.Clients.WatchAsync(TestServer.Timely))
                {
                    read.Add(change);
                    if (change.Client.Path == "/last")
                        return;
                    if (read.Count == 2)
                    {
                        readTwo.SetResult();
                        await go.Task;
                    }
                }
            },
            TestServer.Timely);
        await readTwo.Task.Timely();

        for (int i = 0; i < 30; i++)
        {
            staying.Join($"{i}");
            staying.State = i;
            (TestClient guest, WebSocketClient client) = await server.ConnectAsync("/guest");
            client.AddTag("guest");
            await guest.LeaveAsync();
            await server.NextEndAsync();
            guest.Dispose();
        }

        leaving.AddTag("changed");
        await leaves.LeaveAsync();
        await server.NextEndAsync();
        (TestClient lastRaw, WebSocketClient last) = await server.ConnectAsync("/last");
        go.SetResult();
        await reading.Timely();
        Assert.Equal([leaving, staying], read.Take(2).Select(change => change.Client).OrderBy(client => client.Id));
        Assert.Equal([new(staying, Changed), new(leaving, Disconnected), new(last, Connected)], read.Skip(2));
        Array.ForEach([leaves, stays, lastRaw], raw => raw.Dispose());
    }

    [Fact]
    public async Task Readers_that_break_off_are_cancelled_or_throw_leave_nothing_behind()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await server.OpenAsync();
        await server.NextClientAsync();
        for (int round = 0; round < 10; round++)
        {
            await ReadUntilAsync(server.Clients, _ => true);
            await Assert.ThrowsAsync<InvalidDataException>(() => ReadUntilAsync(server.Clients, _ => throw new InvalidDataException()));

            using var cancelled = new CancellationTokenSource();
            IAsyncEnumerator<ClientChange> changes = server.Clients.WatchAsync(cancelled.Token).GetAsyncEnumerator(TestServer.Timely);
            Assert.True(await changes.MoveNextAsync());
            Task<bool> next = changes.MoveNextAsync().AsTask();
            Assert.True(server.Clients.IsWatched);
            await cancelled.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next).Timely();
            await changes.DisposeAsync();
            Assert.False(server.Clients.IsWatched);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_watch_goes_on_when_the_server_is_started_again_and_ends_when_it_is_disposed_of(bool wait)
    {
        var server = new WebSocketServer(new IPEndPoint(IPAddress.Loopback, 0));
        Task<HashSet<WebSocketClient>> reading = ReadUntilAsync(server.Clients, _ => false);
        for (int round = 0; round < 2; round++)
        {
            await server.StartAsync(TestServer.Timely);
            using TestClient client = await TestClient.OpenAsync((IPEndPoint)server.EndPoints[0]);
            await Polling.UntilAsync(() => server.Clients.Count == 1);
            if (round == 0)
            {
                Task<StopResult> stop = server.StopAsync(TestServer.Timely);
                await client.LeaveAsync();
                await stop.Timely();
                Assert.False(reading.IsCompleted);
            }
            else if (wait)
            {
                Task disposed = server.DisposeAsync().AsTask();
                await client.LeaveAsync();
                await disposed.Timely();
            }
            else
            {
                server.Dispose();
            }
        }

        Assert.Empty(await reading.Timely());
        Assert.False(server.Clients.IsWatched);
        Assert.Empty(await ReadUntilAsync(server.Clients, _ => false).Timely());
    }

    [Fact]
    public async Task A_watch_of_a_server_that_was_never_started_ends_with_its_disposal()
    {
        var server = new WebSocketServer(new IPEndPoint(IPAddress.Loopback, 0));
        Task<HashSet<WebSocketClient>> reading = ReadUntilAsync(server.Clients, _ => false);
        Assert.True(server.Clients.IsWatched);
        server.Dispose();
        Assert.Empty(await reading.Timely());
    }

    [Fact]
    public async Task A_client_is_told_before_its_ClientConnected_handlers_and_what_they_do_is_a_change()
    {
        TaskCompletionSource told = Async.Gate();
        await using TestServer server = await TestServer.StartAsync(server => server.ClientConnected += async (_, e) =>
        {
            await told.Task;
            e.Client.Join("lobby");
        });
        IAsyncEnumerator<ClientChange> changes = server.Clients.WatchAsync(TestServer.Timely).GetAsyncEnumerator(TestServer.Timely);
        ValueTask<bool> next = changes.MoveNextAsync();
        using TestClient raw = await server.OpenAsync();
        Assert.True(await next);
        Assert.Equal(Connected, changes.Current.Kind);
        Assert.Empty(changes.Current.Client.Groups);
        told.SetResult();
        Assert.True(await changes.MoveNextAsync());
        Assert.Equal(Changed, changes.Current.Kind);
        Assert.Equal(["lobby"], changes.Current.Client.Groups);
        await changes.DisposeAsync();
    }
}
