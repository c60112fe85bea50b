using CsCheck;

namespace WebSocketServerKit.Serving.Topics;

public sealed class TopicTrieTests
{
    private static readonly Gen<string> Topics =
        from levels in Gen.OneOf("", "a", "b", "$s", "a$").Array[1, 5]
        let topic = string.Join('/', levels)
        where topic.Length > 0
        select topic;

    private static readonly Gen<string> Filters =
        from levels in Gen.OneOf("", "a", "b", "+", "$s").Array[0, 4]
        from ends in Gen.Bool
        let filter = string.Join('/', ends || levels.Length == 0 ? [.. levels, "#"] : levels)
        where filter.Length > 0
        select filter;

    private readonly TopicTrie<string> _trie = new();

    private void Add(params ReadOnlySpan<string> filters)
    {
        foreach (string filter in filters)
            _trie.GetOrAdd(filter, filter => filter);
    }

    private List<string> Match(string topic)
    {
        var found = new List<string>();
        _trie.Match(topic, found);
        found.Sort(StringComparer.Ordinal);
        return found;
    }

    // The examples of MQTT, section 4.7.
    [Theory]
    [InlineData("sport/tennis/player1/#", "sport/tennis/player1", true)]
    [InlineData("sport/tennis/player1/#", "sport/tennis/player1/ranking", true)]
    [InlineData("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true)]
    [InlineData("sport/tennis/player1/#", "sport/tennis/player2", false)]
    [InlineData("sport/#", "sport", true)]
    [InlineData("sport/#", "sports", false)]
    [InlineData("#", "sport", true)]
    [InlineData("#", "/", true)]
    [InlineData("sport/tennis/+", "sport/tennis/player1", true)]
    [InlineData("sport/tennis/+", "sport/tennis/player1/ranking", false)]
    [InlineData("sport/+", "sport", false)]
    [InlineData("sport/+", "sport/", true)]
    [InlineData("+", "sport", true)]
    [InlineData("+", "/sport", false)]
    [InlineData("+/tennis/#", "sport/tennis", true)]
    [InlineData("sport/+/player1", "sport/tennis/player1", true)]
    [InlineData("+/+", "/finance", true)]
    [InlineData("/+", "/finance", true)]
    [InlineData("+", "/finance", false)]
    [InlineData("/finance", "finance", false)]
    [InlineData("#", "$SYS/monitor/Clients", false)]
    [InlineData("+/monitor/Clients", "$SYS/monitor/Clients", false)]
    [InlineData("+", "$SYS", false)]
    [InlineData("$SYS/#", "$SYS/monitor/Clients", true)]
    [InlineData("$SYS/#", "$SYS", true)]
    [InlineData("$SYS/monitor/+", "$SYS/monitor/Clients", true)]
    [InlineData("sport/#", "sport/$5", true)]
    [InlineData("sport/+", "sport/$5", true)]
    [InlineData("ACCOUNTS", "Accounts", false)]
    [InlineData("Accounts payable", "Accounts payable", true)]
    public void A_filter_matches_as_the_specification_says(string filter, string topic, bool matches)
    {
        Add(filter);
        Assert.Equal(matches ? [filter] : [], Match(topic));
        Assert.Equal(matches, Matches(filter, topic));
    }

    [Fact]
    public void Each_filter_that_matches_is_found_once()
    {
        Add("a/b", "a/+", "a/#", "#", "+/b", "+/+", "+/#", "a/b/#", "a/b/c", "a", "+");
        Assert.Equal(["#", "+/#", "+/+", "+/b", "a/#", "a/+", "a/b", "a/b/#"], Match("a/b"));
    }

    [Fact]
    public void A_filter_has_one_value()
    {
        var trie = new TopicTrie<object>();
        object first = trie.GetOrAdd("a/+", _ => new object());
        Assert.Same(first, trie.GetOrAdd("a/+", _ => throw new InvalidOperationException("It is there.")));
        Assert.Same(first, trie.Find("a/+"));
        Assert.Null(trie.Find("a"));
        Assert.Null(trie.Find("a/#"));
        Assert.Null(trie.Find("a/b"));
        Assert.Equal(1, trie.Count);
    }

    [Fact]
    public void Nodes_vanish_with_the_last_filter_that_needs_them()
    {
        Add("a/b/c/d", "a/b", "a/+/#", "+");
        Assert.Equal(6, _trie.NodeCount);
        Assert.False(_trie.Remove("a/b/c"));
        Assert.False(_trie.Remove("a/b/#"));
        Assert.False(_trie.Remove("x"));
        Assert.True(_trie.Remove("a/b/c/d"));
        Assert.False(_trie.Remove("a/b/c/d"));
        Assert.Equal((3, 4), (_trie.Count, _trie.NodeCount));
        Assert.True(_trie.Remove("a/b"));
        Assert.True(_trie.Remove("+"));
        Assert.Equal(["a/+/#"], Match("a/x/y"));
        Assert.True(_trie.Remove("a/+/#"));
        Assert.Equal((0, 0), (_trie.Count, _trie.NodeCount));
    }

    [Fact]
    public void The_longest_filter_and_the_longest_topic_cost_no_deep_recursion()
    {
        string filter = string.Join('/', Enumerable.Repeat("+", TopicFilter.MaxLevels - 1)) + "/#";
        TopicFilter.Check(filter);
        Add(filter);
        Assert.Equal([filter], Match(new string('/', TopicFilter.MaxLength)));
        Assert.Empty(Match("a"));
    }

    [Fact]
    public void A_match_allocates_nothing()
    {
        Add("prices/EURUSD", "prices/+", "prices/#", "#", "+/EURUSD");
        var found = new List<string>(8);
        _trie.Match("prices/EURUSD", found);
        found.Clear();
        long before = GC.GetAllocatedBytesForCurrentThread();
        _trie.Match("prices/EURUSD", found);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(5, found.Count);
    }

    [Fact]
    public void A_level_that_had_many_names_finds_those_that_are_left()
    {
        for (int i = 0; i < 10_000; i++)
            Add($"a/{i}");
        for (int i = 0; i < 10_000; i++)
        {
            if (i % 1000 != 0)
                Assert.True(_trie.Remove($"a/{i}"));
        }

        Assert.Equal((10, 11), (_trie.Count, _trie.NodeCount));
        for (int i = 0; i < 10_000; i += 500)
            Assert.Equal(i % 1000 == 0 ? [$"a/{i}"] : [], Match($"a/{i}"));
    }

    [Fact]
    public void Finds_what_a_plain_comparison_of_levels_finds() =>
        Gen.Select(Filters.Array[0, 40], Topics.Array[1, 20], Gen.Int).Sample((filters, topics, seed) =>
        {
            var trie = new TopicTrie<string>();
            var present = new HashSet<string>(StringComparer.Ordinal);
            // Every filter is added, half of them are removed again.
            foreach (string filter in filters)
            {
                trie.GetOrAdd(filter, filter => filter);
                present.Add(filter);
            }

            foreach (string filter in filters.Where((_, i) => ((seed >> (i % 32)) & 1) != 0))
                Assert.Equal(present.Remove(filter), trie.Remove(filter));
            Assert.Equal(present.Count, trie.Count);
            foreach (string topic in topics)
            {
                var found = new List<string>();
                trie.Match(topic, found);
                Assert.Equal(present.Where(filter => Matches(filter, topic)).Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
            }

            foreach (string filter in present)
                Assert.True(trie.Remove(filter));
            Assert.Equal((0, 0), (trie.Count, trie.NodeCount));
        });

    /// <summary>The rules once more, level by level.</summary>
    private static bool Matches(string filter, string topic)
    {
        string[] wanted = filter.Split('/'), levels = topic.Split('/');
        if (topic[0] == '$' && filter[0] is '+' or '#')
            return false;
        for (int i = 0; i < wanted.Length; i++)
        {
            if (wanted[i] == "#")
                return true;
            if (i == levels.Length || (wanted[i] != "+" && wanted[i] != levels[i]))
                return false;
        }

        return wanted.Length == levels.Length;
    }
}
