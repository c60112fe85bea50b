namespace WebSocketServerKit.Diagnostics;

public class TrafficTests
{
    [Fact]
    public void Each_count_is_added_to_its_own() =>
        Assert.Equal(new Traffic(11, 22, 33, 44, 55, 66), new Traffic(1, 2, 3, 4, 5, 6) + new Traffic(10, 20, 30, 40, 50, 60));
}
