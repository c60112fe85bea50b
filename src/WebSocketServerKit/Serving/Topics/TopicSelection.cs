using System.Runtime.InteropServices;
using WebSocketServerKit.Serving.Backplanes;

namespace WebSocketServerKit.Serving.Topics;

/// <summary>A selection of those who have subscribed to at least one filter that matches a topic.</summary>
internal sealed class TopicSelection(ClientSelection wider, TopicIndex index, string topic) : IndexedSelection(wider)
{
    private readonly List<ClientSet> _sets = [];

    public override ReadOnlySpan<ClientSet> Sets => CollectionsMarshal.AsSpan(_sets);

    internal override (int Rank, BackplaneChannel Channel)? Channel => (1, BackplaneChannel.Topics);

    internal override void Describe(SelectionDescription description) => description.AddTopic(topic);

    protected override void FindSets()
    {
        _sets.Clear();
        index.Match(topic, _sets);
    }
}
