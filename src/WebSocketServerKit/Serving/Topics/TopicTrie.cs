namespace WebSocketServerKit.Serving.Topics;

/// <summary>
/// A map from topic filters to values that finds the values of all filters that match a topic (MQTT, section 4.7). There is one node for each level of a filter; filters share the nodes of the
/// levels with which they begin.
/// <para>The cost of a match is bounded by the topic, whatever the filters are: a level has two continuations at most (itself and <c>+</c>), so a topic of n levels visits fewer than 2^(n+1) nodes.
/// It allocates nothing. A node exists only as long as a filter needs it.</para>
/// <para>Filters and topics must be valid (<see cref="TopicFilter"/>). Not thread-safe: the owner locks.</para>
/// </summary>
internal sealed class TopicTrie<T>
    where T : class
{
    // Below this capacity a table of children is not worth shrinking.
    private const int SmallTable = 64;

    private readonly Node _root = new(null, "");

    /// <summary>The number of filters.</summary>
    public int Count { get; private set; }

    /// <summary>The number of nodes, the root not counted.</summary>
    public int NodeCount { get; private set; }

    /// <summary>The value of this filter, compared as text: <c>a/+</c> does not find the value of <c>a/b</c>.</summary>
    public T? Find(string filter) => NodeOf(filter, out bool isSubtree) is not { } node ? null : isSubtree ? node.Subtree : node.Exact;

    /// <summary>The value of this filter, or a new one.</summary>
    public T GetOrAdd(string filter, Func<string, T> make)
    {
        Node node = _root;
        for (ReadOnlySpan<char> rest = filter; ;)
        {
            ReadOnlySpan<char> level = CutLevel(ref rest, out bool isLast);
            if (level is "#")
                return node.Subtree ??= Added(make(filter));
            node = node.Child(level) ?? NewChild(node, level);
            if (isLast)
                return node.Exact ??= Added(make(filter));
        }
    }

    /// <summary>Removes a filter. False if it is not there.</summary>
    public bool Remove(string filter)
    {
        if (NodeOf(filter, out bool isSubtree) is not { } node)
            return false;
        ref T? value = ref isSubtree ? ref node.Subtree : ref node.Exact;
        if (value is null)
            return false;
        value = null;
        Count--;
        for (; node.IsEmpty && node.Parent is { } parent; node = parent)
        {
            parent.RemoveChild(node);
            NodeCount--;
        }

        return true;
    }

    /// <summary>Adds the values of all filters that match the topic to <paramref name="found"/>, each once, in no particular order.</summary>
    public void Match(ReadOnlySpan<char> topic, List<T> found)
    {
        // MQTT-4.7.2-1: the server must not match filters that start with a wildcard with topics that begin with $.
        if (topic[0] != '$')
        {
            Match(_root, topic, found);
            return;
        }

        ReadOnlySpan<char> rest = topic;
        if (_root.Child(CutLevel(ref rest, out bool isLast)) is { } child)
            MatchFrom(child, rest, isLast, found);
    }

    // The node has matched the levels before the rest.
    private static void Match(Node node, ReadOnlySpan<char> rest, List<T> found)
    {
        if (node.Subtree is { } subtree)
            found.Add(subtree);
        ReadOnlySpan<char> level = CutLevel(ref rest, out bool isLast);
        if (node.NamedChild(level) is { } child)
            MatchFrom(child, rest, isLast, found);
        if (node.AnyChild is { } any)
            MatchFrom(any, rest, isLast, found);
    }

    private static void MatchFrom(Node node, ReadOnlySpan<char> rest, bool isEnd, List<T> found)
    {
        if (!isEnd)
        {
            Match(node, rest, found);
            return;
        }

        if (node.Exact is { } exact)
            found.Add(exact);
        // 4.7.1.2: "sport/#" also matches the singular "sport", since # includes the parent level.
        if (node.Subtree is { } subtree)
            found.Add(subtree);
    }

    private static ReadOnlySpan<char> CutLevel(ref ReadOnlySpan<char> rest, out bool isLast)
    {
        int slash = rest.IndexOf('/');
        isLast = slash < 0;
        ReadOnlySpan<char> level = isLast ? rest : rest[..slash];
        rest = rest[(isLast ? rest.Length : slash + 1)..];
        return level;
    }

    private Node NewChild(Node parent, ReadOnlySpan<char> level)
    {
        NodeCount++;
        return parent.AddChild(level);
    }

    private T Added(T value)
    {
        Count++;
        return value;
    }

    private Node? NodeOf(ReadOnlySpan<char> filter, out bool isSubtree)
    {
        Node? node = _root;
        isSubtree = false;
        for (bool isLast = false; node is not null && !isLast;)
        {
            ReadOnlySpan<char> level = CutLevel(ref filter, out isLast);
            isSubtree = level is "#";
            if (!isSubtree)
                node = node.Child(level);
        }

        return node;
    }

    /// <param name="parent">Null for the root.</param>
    /// <param name="name">The text of the level.</param>
    private sealed class Node(Node? parent, string name)
    {
        private Dictionary<string, Node>? _children; // by name; null for none, as most nodes are leaves

        /// <summary>The value of the filter that ends here.</summary>
        public T? Exact;

        /// <summary>The value of the filter that goes on with <c>#</c>.</summary>
        public T? Subtree;

        public Node? Parent => parent;

        /// <summary>The child for <c>+</c>.</summary>
        public Node? AnyChild { get; private set; }

        public bool IsEmpty => Exact is null && Subtree is null && AnyChild is null && _children is null;

        private string Name => name;

        /// <summary>The child for a level of a topic.</summary>
        public Node? NamedChild(ReadOnlySpan<char> level) =>
            _children is not null && _children.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(level, out Node? child) ? child : null;

        /// <summary>The child for a level of a filter other than <c>#</c>.</summary>
        public Node? Child(ReadOnlySpan<char> level) => level is "+" ? AnyChild : NamedChild(level);

        public Node AddChild(ReadOnlySpan<char> level)
        {
            var child = new Node(this, level is "+" ? "+" : level.ToString());
            if (level is "+")
                AnyChild = child;
            else
                (_children ??= new Dictionary<string, Node>(StringComparer.Ordinal)).Add(child.Name, child);
            return child;
        }

        public void RemoveChild(Node child)
        {
            if (child == AnyChild)
            {
                AnyChild = null;
                return;
            }

            _children!.Remove(child.Name);
            if (_children.Count == 0)
                _children = null;
            else if (_children.Capacity > SmallTable && _children.Count < _children.Capacity / 4)
                _children.TrimExcess(_children.Count * 2);
        }
    }
}
