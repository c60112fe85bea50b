using System.Buffers;
using System.Net.WebSockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientSlowTests : IDisposable
{
    private readonly ClientBench _bench = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Busy(SlowClientPolicy policy = SlowClientPolicy.Wait)
    {
        WebSocketClient client = _bench.Client(policy: policy);
        _bench.TransportOf(client).HoldWrites();
        Assert.Equal(SendResult.Sent, client.TrySend("busy"));
        return client;
    }

    private string Sent(WebSocketClient client)
    {
        _bench.TransportOf(client).LetAllWritesEnd();
        Assert.True(SpinWait.SpinUntil(() => client.UnsentBytes == 0, TimeSpan.FromSeconds(30)));
        return _bench.SentTo(client);
    }

    [Fact]
    public void The_newest_message_of_each_key_may_be_of_whatever_a_host_has()
    {
        WebSocketClient client = Busy();
        byte[] array = [.. "array"u8];
        Assert.Equal(SendResult.Queued, client.TrySendLatest("text", "old"));
        Assert.Equal(SendResult.Replaced, client.TrySendLatest("text", "grüße \ud800"));
        client.TrySendLatest("array", array);
        client.TrySendLatest("span", "span"u8);
        client.TrySendLatest("memory", array.AsMemory(1), WebSocketMessageType.Text);
        client.TrySendLatest("sequence", new ReadOnlySequence<byte>(array));
        client.TrySendLatest("binary", "text", WebSocketMessageType.Binary);
        client.TrySendLatest("uncompressed", "text", SendOptions.Uncompressed);
        Assert.Equal((0, 1, true), (client.MessagesDropped, client.MessagesReplaced, client.IsSlow));
        Assert.Equal(
            "Text busy\nText grüße \ufffd\nBinary array\nBinary span\nText rray\nBinary array\nBinary text\nText text", Sent(client));
        Assert.False(client.IsSlow);
    }

    [Fact]
    public void A_key_is_needed_and_a_text_has_to_be_UTF8()
    {
        WebSocketClient client = Busy();
        Assert.Throws<ArgumentNullException>(() => client.TrySendLatest(null!, "text"));
        Assert.Throws<ArgumentNullException>(() => client.TrySendLatest(null!, "bytes"u8));
        Assert.Throws<ArgumentNullException>(() => client.TrySendLatest("key", (string)null!));
        Assert.Throws<ArgumentException>(() => client.TrySendLatest("key", [0xFF], WebSocketMessageType.Text));
        Assert.Throws<ArgumentOutOfRangeException>(() => client.TrySendLatest("key", "text", WebSocketMessageType.Close));
        Assert.Equal("Text busy", Sent(client));
    }

    [Fact]
    public void A_broadcast_tells_for_how_many_it_replaced_a_message()
    {
        var clients = new ClientRegistry();
        WebSocketClient slow = Busy(), quick = _bench.Client(), full = Busy();
        clients.Add(slow);
        clients.Add(quick);
        clients.Add(full);
        Assert.Equal(SendResult.Queued, full.TrySend(new string('x', 1012)));
        Assert.Equal(new BroadcastResult { Sent = 1, Queued = 1, Dropped = 1 }, clients.BroadcastLatest("key", "1"));
        BroadcastResult result = clients.BroadcastLatest("key", "2"u8, WebSocketMessageType.Text);
        Assert.Equal((new BroadcastResult { Sent = 1, Replaced = 1, Dropped = 1 }, 2), (result, result.Accepted));
        clients.BroadcastLatest("key", "3"u8.ToArray().AsMemory());
        clients.BroadcastLatest("key", new ReadOnlySequence<byte>("4"u8.ToArray()), WebSocketMessageType.Text);
        Assert.Equal("Text busy\nText 4", Sent(slow));
        Assert.Equal("Text 1\nText 2\nBinary 3\nText 4", Sent(quick));
        Assert.Equal(4, full.MessagesDropped);
        Assert.Throws<ArgumentNullException>(() => clients.BroadcastLatest(null!, "text"));
        Assert.Throws<ArgumentNullException>(() => clients.BroadcastLatest(null!, "bytes"u8));
        Assert.Throws<ArgumentNullException>(() => clients.BroadcastLatest("key", (string)null!));
    }

    [Theory]
    [InlineData(SlowClientPolicy.DropNewest, "Text busy\nText first")]
    [InlineData(SlowClientPolicy.DropOldest, "Text busy\nText second")]
    public void With_a_policy_that_drops_SendAsync_never_waits(SlowClientPolicy policy, string sent)
    {
        WebSocketClient client = Busy(policy);
        string filling = new('x', 800);
        Assert.True(client.SendAsync("first" + filling, TestContext.Current.CancellationToken).AsTask().IsCompletedSuccessfully);
        Assert.True(client.SendAsync("second" + filling, TestContext.Current.CancellationToken).AsTask().IsCompletedSuccessfully);
        Assert.Equal((1, true), (client.MessagesDropped, client.IsSlow));
        Assert.Equal(sent + filling, Sent(client));
    }
}
