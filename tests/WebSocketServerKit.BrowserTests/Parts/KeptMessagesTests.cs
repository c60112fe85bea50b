using System.Net.WebSockets;
using Dashboard.Served;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class KeptMessagesTests
{
    private readonly KeptMessages _kept = new(capacity: 3, maxBytes: 100);

    [Fact]
    public void A_message_is_found_by_its_number_as_it_was()
    {
        KeptMessage message = new(7, Client: 1, "#1 /alice", WebSocketMessageType.Binary, [1, 2, 3]);
        _kept.Add(message);
        Assert.Same(message, _kept.Find(7));
        Assert.Null(_kept.Find(8));
    }

    [Fact]
    public void Of_too_many_the_oldest_go()
    {
        Add((2, 1), (5, 1), (6, 1), (9, 1));
        Assert.Null(_kept.Find(2));
        Assert.Equal([5, 6, 9], Numbers(5, 6, 9));
        Assert.Equal(3, _kept.First);
    }

    [Fact]
    public void Of_those_that_are_too_large_together_the_oldest_go()
    {
        Add((1, 60), (2, 40));
        Assert.Equal([1, 2], Numbers(1, 2));
        Add((3, 1));
        Assert.Equal([2, 3], Numbers(1, 2, 3));
        Assert.Equal(2, _kept.First);
    }

    [Fact]
    public void One_that_is_too_large_by_itself_is_not_kept()
    {
        Add((1, 10), (2, 101));
        Assert.Empty(Numbers(1, 2));
        Assert.Equal(3, _kept.First);
        Add((3, 100));
        Assert.Equal([3], Numbers(3));
    }

    private void Add(params (long Number, int Size)[] messages)
    {
        foreach ((long number, int size) in messages)
            _kept.Add(new KeptMessage(number, Client: 1, "#1 /", WebSocketMessageType.Binary, new byte[size]));
    }

    private IEnumerable<long> Numbers(params long[] numbers) => numbers.Where(number => _kept.Find(number) is not null);
}
