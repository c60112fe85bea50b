using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Serving.Topics;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>Finding the filters that match a topic among 100,000, and adding and removing one.</summary>
public class TopicMatch
{
    private const int Filters = 100_000;
    private const string Topic = "prices/10/7/bid";
    private const string NewFilter = "prices/10/new/+";

    private readonly List<object> _found = [];
    private TopicTrie<object> _trie = new();

    /// <summary>What the filters are: all without wildcards, all with <c>+</c> or <c>#</c>, a third of each, or these and every filter that matches the topic.</summary>
    [Params("exact", "+", "#", "mixed", "worst")]
    public string Kind { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        _trie = new TopicTrie<object>();
        for (int i = 0; i < Filters; i++)
        {
            (int market, int symbol) = (i % 100, i / 100);
            string filter = (Kind switch { "exact" => 0, "+" => 1, "#" => 2, _ => i % 3 }) switch
            {
                0 => $"prices/{market}/{symbol}/bid",
                1 => $"prices/{market}/{symbol}/+",
                _ => $"prices/{market}/{symbol}/#",
            };
            _trie.GetOrAdd(filter, _ => new object());
        }

        if (Kind == "worst")
            AddAllThatMatch("", Topic.Split('/'));
        // 2 + 4 + 8 + 16 ways to begin the topic, each with # behind it; # alone; and the 16 whole ways without.
        if (Match() != (Kind == "worst" ? 47 : 1))
            throw new InvalidOperationException("The filters are not those that are measured.");
    }

    [Benchmark]
    public int Match()
    {
        _found.Clear();
        _trie.Match(Topic, _found);
        return _found.Count;
    }

    [Benchmark]
    public bool SubscribeAndUnsubscribe()
    {
        _trie.GetOrAdd(NewFilter, static _ => NewFilter);
        return _trie.Remove(NewFilter);
    }

    private void AddAllThatMatch(string before, ReadOnlySpan<string> levels)
    {
        string slash = before.Length == 0 ? "" : "/";
        _trie.GetOrAdd($"{before}{slash}#", _ => new object());
        if (levels.IsEmpty)
        {
            _trie.GetOrAdd(before, _ => new object());
            return;
        }

        AddAllThatMatch(before + slash + levels[0], levels[1..]);
        AddAllThatMatch($"{before}{slash}+", levels[1..]);
    }
}
