namespace WebSocketServerKit.Serving.Topics;

/// <summary>
/// The client sets of the topic filters that clients have subscribed to. A trie finds those that match a topic.
/// <para>Not thread-safe: <see cref="ClientRegistry"/> locks.</para>
/// </summary>
internal sealed class TopicIndex() : ClientIndex<string>(ClientSetKind.Topic, StringComparer.Ordinal)
{
    private readonly TopicTrie<ClientSet> _trie = new();

    /// <summary>Adds the sets of all filters that match the topic to <paramref name="found"/>, each once.</summary>
    public void Match(string topic, List<ClientSet> found) => _trie.Match(topic, found);

    protected override void Added(ClientSet set) => _trie.GetOrAdd((string)set.Key, _ => set);

    protected override void Removed(ClientSet set) => _trie.Remove((string)set.Key);
}
