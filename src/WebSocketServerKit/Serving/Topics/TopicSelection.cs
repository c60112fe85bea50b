using System.Runtime.InteropServices;

namespace WebSocketServerKit.Serving.Topics;

/// <summary>A selection of those who have subscribed to at least one filter that matches a topic.</summary>
internal sealed class TopicSelection(ClientSelection wider, TopicIndex index, string topic) : IndexedSelection(wider)
{
    private readonly List<ClientSet> _sets = [];

    public override ReadOnlySpan<ClientSet> Sets => CollectionsMarshal.AsSpan(_sets);

    protected override void FindSets()
    {
        _sets.Clear();
        index.Match(topic, _sets);
    }
}
