using CsCheck;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Clients;

public sealed class ClientSelectionTopicsTests : IDisposable
{
    private readonly ClientBench _bench = new();
    private readonly ClientRegistry _clients = new();

    public void Dispose() => _bench.Dispose();

    private WebSocketClient Add(params string[] filters)
    {
        WebSocketClient client = _bench.Client();
        _clients.Add(client);
        Assert.All(filters, filter => Assert.True(client.Subscribe(filter)));
        return client;
    }

    private static void AssertSelects(ClientSelection selection, params WebSocketClient[] expected)
    {
        Assert.Equal(expected, selection.OrderBy(client => client.Id));
        Assert.Equal(expected.Length, selection.Count);
    }

    [Fact]
    public void Those_whose_filters_match_are_selected_once_each()
    {
        WebSocketClient exact = Add("prices/EURUSD"), one = Add("prices/+"), all = Add("prices/#"), several = Add("prices/EURUSD", "+/EURUSD", "#"), other = Add("news/#");
        Add();
        AssertSelects(_clients.SubscribedTo("prices/EURUSD"), exact, one, all, several);
        AssertSelects(_clients.SubscribedTo("prices/GBPUSD"), one, all, several);
        AssertSelects(_clients.SubscribedTo("prices"), all, several);
        AssertSelects(_clients.SubscribedTo("prices/EURUSD/bid"), all, several);
        AssertSelects(_clients.SubscribedTo("news"), several, other);
        AssertSelects(_clients.SubscribedTo("$SYS/load"));
        Assert.Equal(new BroadcastResult { Sent = 4 }, _clients.SubscribedTo("prices/EURUSD").Broadcast("1.08"));
        Assert.Equal("Text 1.08", _bench.SentTo(several));
        Assert.Equal("", _bench.SentTo(other));
    }

    [Fact]
    public void It_combines_with_all_other_selections()
    {
        WebSocketClient a = Add("t/1", "t/+"), b = Add("t/1"), c = Add("t/2");
        a.Join("g");
        c.Join("g");
        b.AddTag("x");
        AssertSelects(_clients.InGroup("g").SubscribedTo("t/1"), a);
        AssertSelects(_clients.SubscribedTo("t/1").InGroup("g"), a);
        AssertSelects(_clients.SubscribedTo("t/1").Except(a), b);
        AssertSelects(_clients.Except(_clients.SubscribedTo("t/1")), c);
        AssertSelects(_clients.SubscribedTo("t/1").SubscribedTo("t/2"), a);
        AssertSelects(_clients.WithTag("x").SubscribedTo("t/1").Where(client => client != a), b);
        Assert.Contains(a, _clients.SubscribedTo("t/1"));
        Assert.DoesNotContain(b, _clients.SubscribedTo("t/2"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/+")]
    [InlineData("#")]
    [InlineData("a\0")]
    public void What_is_no_topic_is_refused(string topic) => Assert.Throws<ArgumentException>(nameof(topic), () => _clients.SubscribedTo(topic));

    [Fact]
    public void Null_is_no_topic() => Assert.Throws<ArgumentNullException>("topic", () => _clients.SubscribedTo(null!));

    // Whoever subscribes to what in whatever order, a topic selects exactly those who have a filter that matches.
    [Fact]
    public void A_topic_selects_exactly_those_who_have_a_matching_filter()
    {
        string[] filters = ["a", "a/b", "a/+", "a/#", "+/b", "#", "+", "a/b/#", "/", "$s/#"], topics = ["a", "a/b", "a/b/c", "b", "/", "$s", "c/b"];
        WebSocketClient[] all = [.. Enumerable.Range(0, 5).Select(_ => Add())];
        Gen.Select(Gen.Int[0, all.Length - 1], Gen.Int[0, filters.Length - 1]).Array[0, 60].Sample(steps =>
        {
            foreach ((int who, int what) in steps)
            {
                if (!all[who].Subscribe(filters[what]))
                    Assert.True(all[who].Unsubscribe(filters[what]));
            }

            foreach (string topic in topics)
            {
                WebSocketClient[] expected = [.. all.Where(client => client.Subscriptions.Any(filter => _clients.ByTopic.Find(filter) is { } set && Matching(topic).Contains(set)))];
                AssertSelects(_clients.SubscribedTo(topic), expected);
            }
        }, threads: 1, iter: 200);

        List<Serving.ClientSet> Matching(string topic)
        {
            List<Serving.ClientSet> found = [];
            _clients.ByTopic.Match(topic, found);
            return found;
        }
    }
}
