using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections;

public sealed class ConnectionLifetimeSlowTests
{
    private static ConnectionStage Stage(SlowClientPolicy policy, int? sendBufferSize = null, int limit = 1024) =>
        new(settings => settings with { SlowClients = policy, SendBufferSize = sendBufferSize, SendQueueLimit = limit });

    [Fact]
    public async Task A_client_that_reads_too_slowly_is_disconnected_and_gets_a_Close_frame_behind_what_is_in_flight()
    {
        await using ConnectionStage stage = Stage(SlowClientPolicy.Disconnect);
        await stage.OpenAsync();
        stage.Transport.HoldWrites();
        Assert.Equal(SendOutcome.Sent, stage.Connection.Queue.TrySend("in flight"));
        Assert.Equal(SendOutcome.Queued, stage.Connection.Queue.TrySend("discarded"));
        Assert.Equal(SendOutcome.Closed, stage.Connection.Queue.TrySend(new string('x', 1024)));
        Assert.False(stage.Connection.IsOpen);
        Assert.Equal((DisconnectCause.SlowClient, CloseCode.PolicyViolation), (stage.Connection.Ending!.Cause, stage.Connection.Ending.Code));
        Assert.Equal(SendOutcome.Closed, stage.Connection.Queue.TrySend("late"));
        Assert.Equal(1, stage.Settings.SendTotals.Dropped);
        stage.Transport.LetAllWritesEnd();
        await stage.Connection.Queue.WhenDrained();
        Assert.Equal("Text in flight", string.Join('\n', stage.Transport.Frames.SkipLast(1)));
        Assert.Equal((CloseCode.PolicyViolation, "client reads too slowly"), stage.Transport.Frames[^1].ReadClose());
        stage.Transport.Receive(Frames.Close(1008));
        await stage.Connection.WhenEnded;
        Assert.Equal(DisconnectCause.SlowClient, stage.Connection.Ending.Cause);
    }

    [Fact]
    public async Task The_host_is_told_when_it_begins_and_when_it_ends()
    {
        await using ConnectionStage stage = Stage(SlowClientPolicy.DropNewest);
        stage.Connection.OnNotice = _ => { };
        await stage.OpenAsync();
        stage.Transport.HoldWrites();
        stage.Connection.Queue.TrySend("in flight");
        stage.Connection.Queue.TrySend(new string('x', 1024));
        await stage.Connection.Called($"{new Notice(NoticeKind.SlowBegan)}");
        stage.Transport.LetAllWritesEnd();
        await stage.Connection.Called($"{new Notice(NoticeKind.SlowEnded)}");
    }

    [Theory]
    [InlineData(SlowClientPolicy.Wait, null, 1024 * 1024, null)]
    [InlineData(SlowClientPolicy.Wait, 5000, 1024 * 1024, "5000 wish")]
    [InlineData(SlowClientPolicy.DropNewest, null, 1024, "16384 default")]
    [InlineData(SlowClientPolicy.DropOldest, null, 100_000, "100000 default")]
    [InlineData(SlowClientPolicy.Disconnect, null, 1024 * 1024, "262144 default")]
    [InlineData(SlowClientPolicy.Disconnect, 5000, 1024 * 1024, "5000 wish")]
    public async Task The_send_buffer_of_the_system_follows_the_policy(SlowClientPolicy policy, int? size, int limit, string? expected)
    {
        await using ConnectionStage stage = Stage(policy, size, limit);
        await stage.OpenAsync();
        Assert.Equal(expected, stage.Transport.SendBuffer);
    }

    [Fact]
    public async Task Messages_that_may_be_dropped_are_compressed_without_reference_to_others()
    {
        await using var stage = new ConnectionStage(settings => settings with
        {
            SlowClients = SlowClientPolicy.DropOldest,
            Compression = new PerMessageDeflateOptions().ToCompressionSettings(),
        });
        string answer = await stage.OpenAsync(Protocol.Handshake.RequestHeads.Handshake.Replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", StringComparison.Ordinal));
        Assert.Contains("server_no_context_takeover", answer, StringComparison.Ordinal);
    }
}
