using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class OutlivingHandlersTests
{
    private readonly OutlivingHandlers _outliving = new();

    [Fact]
    public async Task Those_that_go_on_are_counted_until_they_end()
    {
        TaskCompletionSource first = Timely.Signal(), second = Timely.Signal();
        _outliving.Add(first.Task);
        _outliving.Add(second.Task);
        Assert.Equal((2, 0), (_outliving.Count, _outliving.Ended));
        Task none = _outliving.WhenNone();
        first.SetResult();
        await Polling.UntilAsync(() => _outliving.Ended == 1);
        Assert.False(none.IsCompleted);
        second.SetResult();
        await none.InTime();
        Assert.Equal((0, 2), (_outliving.Count, _outliving.Ended));
    }

    [Fact]
    public void Those_that_have_ended_already_are_not()
    {
        _outliving.Add(Task.CompletedTask);
        Assert.Equal((0, 0), (_outliving.Count, _outliving.Ended));
        Assert.True(_outliving.WhenNone().IsCompletedSuccessfully);
    }
}
