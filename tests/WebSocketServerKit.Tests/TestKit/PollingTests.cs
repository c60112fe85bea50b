using Xunit.Sdk;

namespace WebSocketServerKit.TestKit;

public sealed class PollingTests
{
    [Fact]
    public async Task Asks_until_the_condition_holds()
    {
        int asked = 0;
        await Polling.UntilAsync(() => ++asked == 3);
        Assert.Equal(3, asked);
    }

    [Fact]
    public async Task Names_the_condition_that_does_not_come_about()
    {
        int count = 0;
        FailException failure = await Assert.ThrowsAsync<FailException>(() => Polling.UntilAsync(() => count == 3, TimeSpan.Zero));
        Assert.Equal("Not within 0 s: () => count == 3", failure.Message);
    }
}
