using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Connections.Closing;

public sealed class LingerTests : LifetimeTest
{
    [Fact]
    public async Task What_the_client_sends_behind_its_Close_frame_is_read_and_thrown_away()
    {
        await _stage.OpenAsync();
        Transport.Receive(Frames.Close(1000), Frames.Text("behind"));
        await Connection.Called("Disconnected");
        Transport.Receive(Frames.Text("late"), new byte[100_000]);
        await Transport.WhenIdle;
        Transport.EndInput();
        await _stage.AssertReleasedAsync();
        Assert.Single(Transport.Frames);
        Assert.DoesNotContain(Connection.Calls, call => call.StartsWith("Message", StringComparison.Ordinal));
        Assert.Equal(0, Transport.Aborts);
    }

    [Fact]
    public async Task Who_closes_and_does_not_end_its_side_is_cut_after_the_close_timeout()
    {
        await _stage.OpenAsync();
        Transport.Receive(Frames.Close(1000));
        await Connection.Called("Disconnected");
        _stage.Beats(5);
        Assert.Equal(0, Transport.Aborts);
        _stage.Beats(2);
        await _stage.AssertReleasedAsync();
        AssertEnding(DisconnectCause.Closed, ConnectionSide.Client, 1000, clean: true);
        Assert.NotEqual(0, Transport.Aborts);
    }
}
