using Microsoft.Extensions.Time.Testing;

namespace WebSocketServerKit.Backplane;

public class InterestTests
{
    private const int Length = 100_000;

    private readonly Interest _interest = new(new FakeTimeProvider());

    public InterestTests() => _interest.Trust(true);

    private static string Name(int number) => $"{number}".PadRight(Length, 'x');

    private void Remember(string channel) => _interest.Nobody(channel, _interest.EpochOf(channel));

    [Fact]
    public void Long_names_that_clients_have_chosen_take_bounded_memory()
    {
        for (int i = 0; i < 500; i++)
            Remember(Name(i));
        Assert.InRange(Enumerable.Range(0, 500).Count(number => !_interest.IsWanted(Name(number))), 1, Interest.MaxCharacters / Length);
    }

    [Fact]
    public void What_is_no_longer_remembered_takes_no_room()
    {
        Remember("first");
        for (int i = 0; i < 500; i++)
        {
            Remember(Name(0));
            Remember(Name(0));
            _interest.Change(Name(0));
        }

        Assert.False(_interest.IsWanted("first"));
        _interest.Clear();
        Remember("first");
        for (int i = 0; i < Interest.MaxCharacters / Length; i++)
            Remember(Name(i));
        Assert.False(_interest.IsWanted("first"));
    }
}
