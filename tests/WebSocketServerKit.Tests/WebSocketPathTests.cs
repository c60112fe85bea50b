namespace WebSocketServerKit;

public sealed class WebSocketPathTests
{
    private static WebSocketPath Path(int? maxClients) => new WebSocketServer("http://localhost:0").Path("/chat/{room}", new PathOptions { MaxClients = maxClients });

    [Fact]
    public void It_is_its_template() => Assert.Equal(("/chat/{room}", "/chat/{room}"), (Path(null).Template, Path(null).ToString()));

    [Fact]
    public void Places_are_as_many_as_MaxClients_and_are_free_again()
    {
        WebSocketPath path = Path(2);
        Assert.False(path.IsFull);
        Assert.True(path.TryTakePlace());
        Assert.False(path.IsFull);
        Assert.True(path.TryTakePlace());
        Assert.True(path.IsFull);
        Assert.False(path.TryTakePlace());
        path.ReleasePlace();
        Assert.True(path.TryTakePlace());
        Assert.False(path.TryTakePlace());
    }

    [Fact]
    public void Without_MaxClients_there_is_always_a_place()
    {
        WebSocketPath path = Path(null);
        for (int i = 0; i < 1000; i++)
            Assert.True(path.TryTakePlace());
        Assert.False(path.IsFull);
    }

    [Fact]
    public void No_two_threads_get_the_last_place()
    {
        WebSocketPath path = Path(100);
        int taken = 0;
        Parallel.For(0, 1000, _ =>
        {
            if (path.TryTakePlace())
                Interlocked.Increment(ref taken);
        });
        Assert.Equal(100, taken);
        Parallel.For(0, 100, _ => path.ReleasePlace());
        Assert.True(path.TryTakePlace());
    }
}
