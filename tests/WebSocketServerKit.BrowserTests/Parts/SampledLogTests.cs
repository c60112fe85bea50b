using Dashboard.Served;

namespace WebSocketServerKit.BrowserTests.Parts;

public sealed class SampledLogTests
{
    private readonly SampledLog<(string Text, long Number)> _log = new(capacity: 4, perReport: 3);

    [Fact]
    public void Everything_is_kept_while_it_is_little()
    {
        Add("a", "b");
        Assert.Equal([("a", 1), ("b", 2)], _log.TakeNew());
        Add("c");
        Assert.Equal([("c", 3)], _log.TakeNew());
        Assert.Empty(_log.TakeNew());
        Assert.Equal([("a", 1), ("b", 2), ("c", 3)], _log.Latest());
    }

    [Fact]
    public void Of_a_flood_samples_are_kept_whose_numbers_tell_what_is_missing()
    {
        Add("a", "b", "c", "d", "e");
        Assert.Equal([("a", 1), ("b", 2), ("c", 3)], _log.TakeNew());
        Add("f");
        Assert.Equal([("f", 6)], _log.TakeNew());
    }

    [Fact]
    public void Only_the_latest_are_remembered()
    {
        Add("a", "b", "c");
        _log.TakeNew();
        Add("d", "e");
        Assert.Equal([("b", 2), ("c", 3), ("d", 4), ("e", 5)], _log.Latest());
    }

    [Fact]
    public void What_is_not_kept_is_not_made()
    {
        Add("a", "b", "c");
        _log.Add("d", (_, _) => throw new InvalidOperationException("There is no room for it."));
        Assert.Equal(3, _log.TakeNew().Count);
    }

    private void Add(params IEnumerable<string> entries)
    {
        foreach (string entry in entries)
            _log.Add(entry, (text, number) => (text, number));
    }
}
