namespace WebSocketServerKit.Serving;

public sealed class UserPlacesTests
{
    [Fact]
    public void Each_user_has_as_many_places_as_allowed_and_gets_them_back()
    {
        var places = new UserPlaces(2);
        Assert.True(places.TryTake("a"));
        Assert.True(places.TryTake("a"));
        Assert.False(places.TryTake("a"));
        Assert.True(places.TryTake("A"));
        places.Release("a");
        Assert.True(places.TryTake("a"));
        Assert.Equal(2, places.Users);
    }

    [Fact]
    public void A_user_without_connections_costs_nothing()
    {
        var places = new UserPlaces(int.MaxValue);
        for (int i = 0; i < 100; i++)
            Assert.True(places.TryTake($"{i % 10}"));
        for (int i = 0; i < 100; i++)
            places.Release($"{i % 10}");
        Assert.Equal(0, places.Users);
    }

    [Fact]
    public async Task Concurrent_handshakes_never_get_more_than_there_are()
    {
        var places = new UserPlaces(5);
        int taken = 0;
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => Task.Run(() => Interlocked.Add(ref taken, places.TryTake("a") ? 1 : 0))));
        Assert.Equal(5, taken);
    }
}
