using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class ClientSelectionBackplaneTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add(string? tag = null)
    {
        WebSocketClient client = _bench.Client();
        _clients.Add(client);
        if (tag is not null)
            client.AddTag(tag);
        return client;
    }

    [Fact]
    public void A_selection_joins_and_leaves_a_group_as_one()
    {
        WebSocketClient one = Add("x"), two = Add("x"), other = Add();
        Assert.Equal(2, _clients.WithTag("x").Join("a"));
        Assert.True(one.IsIn("a") && two.IsIn("a") && !other.IsIn("a"));
        Assert.Equal(1, _clients.Join("a"));
        Assert.Equal(2, _clients.InGroup("a").WithTag("x").Leave("a"));
        Assert.Equal([other], _clients.InGroup("a"));
        Assert.Equal(0, _clients.WithTag("x").Leave("a"));
        Assert.Throws<ArgumentException>(() => _clients.Join(""));
        Assert.Throws<ArgumentException>(() => _clients.Leave(""));
    }

    [Fact]
    public void Without_a_backplane_the_clients_of_this_server_are_all()
    {
        WebSocketClient one = Add("x"), other = Add();
        Assert.Equal([one], _clients.WithTag("x").OnThisServer());
        Assert.Equal([other], _clients.OnThisServer().Where(client => client != one));
        Assert.Equal(1, _clients.Where(client => client == one).Broadcast("m").Accepted);
    }

    [Fact]
    public void One_client_is_selected_by_its_id_and_narrowed_like_others()
    {
        WebSocketClient one = Add("x"), other = Add();
        Assert.Equal([one], _clients.WithGlobalId(one.GlobalId));
        Assert.Equal([one], _clients.WithTag("x").WithGlobalId(one.GlobalId));
        Assert.Equal([one], _clients.WithGlobalId(one.GlobalId).WithTag("x"));
        Assert.Empty(_clients.WithTag("x").WithGlobalId(other.GlobalId));
        Assert.Empty(_clients.WithGlobalId(one.GlobalId).Except(one));
        Assert.True(_clients.WithGlobalId(other.GlobalId) is { Count: 1 });
        Assert.Contains(other, _clients.Except(_clients.WithGlobalId(one.GlobalId)));
        Assert.DoesNotContain(one, _clients.Except(_clients.WithGlobalId(one.GlobalId)));
        _clients.Remove(one);
        Assert.Empty(_clients.WithGlobalId(one.GlobalId));
        Assert.Empty(_clients.WithGlobalId(new GlobalClientId("another", other.Id)));
        Assert.Empty(_clients.WithGlobalId(default));
    }

    [Fact]
    public async Task Without_a_backplane_a_report_has_the_clients_of_this_server()
    {
        WebSocketClient one = Add();
        BroadcastReport report = await _clients.BroadcastAsync("text", cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((1, 0, true), (report.Result.Accepted, report.ServersAsked, report.IsComplete));
        await _clients.BroadcastAsync(new byte[] { 1, 2 }, cancellationToken: TestContext.Current.CancellationToken);
        await _clients.BroadcastAsync(PreparedMessage.FromText("prepared"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(3, _bench.TransportOf(one).Frames.Count);
        foreach (TimeSpan timeout in (TimeSpan[])[TimeSpan.FromSeconds(-5), TimeSpan.MaxValue])
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>("timeout", () => _clients.BroadcastAsync("never", timeout: timeout, cancellationToken: TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<OperationCanceledException>(() => _clients.BroadcastAsync("never", cancellationToken: new CancellationToken(true)));
        Assert.Equal(3, _bench.TransportOf(one).Frames.Count);
    }
}
