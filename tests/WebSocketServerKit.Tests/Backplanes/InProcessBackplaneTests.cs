namespace WebSocketServerKit.Backplanes;

public class InProcessBackplaneTests
{
    private readonly InProcessBackplane _backplane = new();

    private static async Task<(IBackplaneConnection Connection, Receiver Receiver)> ConnectAsync(InProcessBackplane backplane)
    {
        Receiver receiver = new();
        return (await backplane.ConnectAsync(receiver, TestContext.Current.CancellationToken), receiver);
    }

    [Fact]
    public async Task A_message_reaches_the_others_that_have_subscribed_to_its_channel_and_nobody_else()
    {
        (IBackplaneConnection one, Receiver toOne) = await ConnectAsync(_backplane);
        (IBackplaneConnection two, Receiver toTwo) = await ConnectAsync(_backplane);
        (IBackplaneConnection three, Receiver toThree) = await ConnectAsync(_backplane);
        await one.SubscribeAsync("a");
        await two.SubscribeAsync("a");
        await three.SubscribeAsync("b");

        Assert.True(one.TryPublish("a", "1"u8.ToArray()));
        Assert.Equal(1, await one.PublishAsync("a", "2"u8.ToArray(), TestContext.Current.CancellationToken));
        Assert.Equal(2, await three.PublishAsync("a", "3"u8.ToArray(), TestContext.Current.CancellationToken));
        Assert.Equal(["a 3"], toOne.Received);
        Assert.Equal(["a 1", "a 2", "a 3"], toTwo.Received);
        Assert.Empty(toThree.Received);
    }

    [Fact]
    public async Task A_channel_is_wanted_while_another_one_has_subscribed()
    {
        (IBackplaneConnection one, _) = await ConnectAsync(_backplane);
        (IBackplaneConnection two, Receiver toTwo) = await ConnectAsync(_backplane);
        await one.SubscribeAsync("a");
        Assert.False(one.IsWanted("a"));
        await two.SubscribeAsync("a");
        Assert.True(one.IsWanted("a"));
        await two.UnsubscribeAsync("a");
        Assert.False(one.IsWanted("a"));
        await two.SubscribeAsync("a");
        await two.DisposeAsync();
        Assert.False(one.IsWanted("a"));
        Assert.Equal(0, await one.PublishAsync("a", "lost"u8.ToArray(), TestContext.Current.CancellationToken));
        Assert.Empty(toTwo.Received);
    }

    [Fact]
    public async Task A_server_that_has_stopped_subscribes_to_nothing_any_more()
    {
        (IBackplaneConnection one, _) = await ConnectAsync(_backplane);
        (IBackplaneConnection two, Receiver toTwo) = await ConnectAsync(_backplane);
        await two.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => two.SubscribeAsync("a"));
        Assert.False(one.IsWanted("a"));
        one.TryPublish("a", "1"u8.ToArray());
        Assert.Empty(toTwo.Received);
    }

    private sealed class Receiver : IBackplaneReceiver
    {
        public List<string> Received { get; } = [];

        public string NodeId => "";

        public void Receive(string channel, ReadOnlySpan<ReadOnlyMemory<byte>> messages)
        {
            foreach (ReadOnlyMemory<byte> message in messages)
                Received.Add($"{channel} {System.Text.Encoding.UTF8.GetString(message.Span)}");
        }
    }
}
