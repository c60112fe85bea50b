using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>A message for the ten subscribers of a topic, among 1,000 clients that have 100,000 subscriptions; and what subscriptions cost.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A server that does not listen has nothing to give back.")]
public class TopicBroadcast
{
    private const int Clients = 1_000;
    private const int SubscriptionsOfEach = 100;
    private const int Subscribers = 10;

    private readonly byte[] _payload = FrameData.Ascii(64);
    private readonly string[] _filters = [.. Enumerable.Range(0, 900).Select(i => $"new/{i}")];
    private readonly string[] _longestFilters = [.. Enumerable.Range(0, 900).Select(i => string.Join('/', Enumerable.Repeat($"{i}".PadLeft(31), 32)))];
    private WebSocketClient[] _subscribers = [];
    private ClientRegistry _clients = null!;

    [GlobalSetup]
    public async Task Setup()
    {
        _clients = await GroupBroadcast.ConnectAsync(Clients);
        int number = 0;
        foreach (WebSocketClient client in _clients)
        {
            int market = number++ / Subscribers;
            for (int symbol = 1; symbol < SubscriptionsOfEach; symbol++)
                client.Subscribe($"prices/{market}/{symbol}");
            client.Subscribe(market == 8 ? "prices/8/+" : $"prices/{market}/{SubscriptionsOfEach}");
        }

        _subscribers = [.. _clients.SubscribedTo("prices/7/7")];
        if (ByHand() != Subscribers || ToATopic() != Subscribers || ToATopicByTwoFilters() != Subscribers)
            throw new InvalidOperationException("The subscriptions are not those that are measured.");
    }

    /// <summary>The host keeps lists of its own.</summary>
    [Benchmark(Baseline = true)]
    public int ByHand()
    {
        int sent = 0;
        foreach (WebSocketClient client in _subscribers)
            sent += client.TrySend(_payload).IsAccepted ? 1 : 0;
        return sent;
    }

    [Benchmark]
    public int ToATopic() => _clients.SubscribedTo("prices/7/7").Broadcast(_payload).Accepted;

    /// <summary>Each of the ten has two filters that match.</summary>
    [Benchmark]
    public int ToATopicByTwoFilters() => _clients.SubscribedTo("prices/8/7").Broadcast(_payload).Accepted;

    [Benchmark]
    public bool SubscribeAndUnsubscribe() => _subscribers[0].Subscribe("prices/+/new") && _subscribers[0].Unsubscribe("prices/+/new");

    /// <summary>One client subscribes to 900 topics and unsubscribes.</summary>
    [Benchmark]
    public void ManySubscriptions() => SubscribeAndUnsubscribe(_filters);

    /// <summary>The same with filters of 1,023 characters and 32 levels that have no level in common.</summary>
    [Benchmark]
    public void ManyOfTheLongestSubscriptions() => SubscribeAndUnsubscribe(_longestFilters);

    private void SubscribeAndUnsubscribe(string[] filters)
    {
        foreach (string filter in filters)
            _subscribers[0].Subscribe(filter);
        foreach (string filter in filters)
            _subscribers[0].Unsubscribe(filter);
    }
}
