using System.Net.WebSockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class WebSocketClientPreparedTests : IDisposable
{
    private static readonly PreparedMessage Hello = PreparedMessage.FromText("hello");

    private readonly ClientBench _bench = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task One_message_goes_to_anyone_as_often_as_needed()
    {
        WebSocketClient first = _bench.Client(), second = _bench.Client();
        await first.SendAsync(Hello, Token);
        await second.SendAsync(Hello, Token);
        Assert.Equal(SendResult.Sent, first.TrySend(Hello));
        Assert.Equal("Text hello\nText hello", _bench.SentTo(first));
        Assert.Equal("Text hello", _bench.SentTo(second));
    }

    [Fact]
    public async Task It_waits_for_room_and_can_be_cancelled_meanwhile()
    {
        WebSocketClient client = _bench.Client(limit: 10);
        ScriptedTransport transport = _bench.TransportOf(client);
        transport.HoldWrites();
        client.TrySend("1");
        client.TrySend("1234");
        Assert.Equal(SendResult.Dropped, client.TrySend(Hello));
        using CancellationTokenSource cancellation = new();
        Task cancelled = client.SendAsync(Hello, cancellation.Token).AsTask(), waits = client.SendAsync(Hello, Token).AsTask();
        Assert.False(cancelled.IsCompleted || waits.IsCompleted);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        transport.LetAllWritesEnd();
        await waits.InTime();
        await _bench.ConnectionOf(client).Queue.WhenDrained().InTime();
        Assert.Equal("Text 1\nText 1234\nText hello", _bench.SentTo(client));
    }

    [Fact]
    public async Task A_client_that_has_left_a_token_that_is_cancelled_and_no_message_are_told_apart()
    {
        WebSocketClient client = _bench.Client();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await client.SendAsync(Hello, new CancellationToken(canceled: true)));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await client.SendAsync((PreparedMessage)null!, Token));
        Assert.Throws<ArgumentNullException>(() => client.TrySend((PreparedMessage)null!));
        client.Abort();
        await Assert.ThrowsAsync<WebSocketException>(async () => await client.SendAsync(Hello, Token));
        Assert.Equal(SendResult.Closed, client.TrySend(Hello));
        Assert.Empty(_bench.SentTo(client));
    }

    [Fact]
    public async Task Sending_it_allocates_nothing()
    {
        WebSocketClient client = _bench.Client(limit: 1024 * 1024);
        ScriptedTransport transport = _bench.TransportOf(client);
        transport.HoldWrites();
        client.TrySend(Hello);
        await client.SendAsync(PreparedMessage.FromBytes(new byte[500_000]), Token);
        client.TrySend(Hello); // now the buffer need not grow any more
        CancellationToken token = Token;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            client.TrySend(Hello);
#pragma warning disable CA2012 // it is complete, and an await might go on elsewhere
            Assert.True(client.SendAsync(Hello, token).IsCompletedSuccessfully);
#pragma warning restore CA2012
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        transport.LetAllWritesEnd();
        await _bench.ConnectionOf(client).Queue.WhenDrained().InTime();
    }
}
