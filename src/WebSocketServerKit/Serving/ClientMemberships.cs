namespace WebSocketServerKit.Serving;

/// <summary>
/// The groups, tags and subscriptions of one client. Made when it gets its first one: until then all clients of a registry share one that is empty.
/// <para>The lock of the <see cref="ClientRegistry"/> guards it.</para>
/// </summary>
internal sealed class ClientMemberships(ClientRegistry registry)
{
    public ClientRegistry Registry => registry;

    /// <summary>The sets that the client is in, with its place in each. Empty once it has left.</summary>
    public Dictionary<ClientSet, int> Places { get; } = [];

    /// <summary>How many of the sets are those of topic filters.</summary>
    public int Subscriptions { get; set; }

    /// <summary>The tags that the client has; once it has left, those that it had.</summary>
    public string[] Tags => LeftTags ?? KeysOf(ClientSetKind.Tag);

    /// <summary>The tags that the client had when it left. Null before.</summary>
    public string[]? LeftTags { get; private set; }

    /// <summary>The groups that the client was in when it left.</summary>
    public string[] LeftGroups { get; private set; } = [];

    /// <summary>The latest search that has found the client. So a search in several sets finds each client once.</summary>
    public long FoundBy { get; set; }

    /// <summary>The keys of the sets of one kind that the client is in.</summary>
    public string[] KeysOf(ClientSetKind kind)
    {
        List<string> keys = [];
        foreach (ClientSet set in Places.Keys)
        {
            if (set.Kind == kind)
                keys.Add((string)set.Key);
        }

        return [.. keys];
    }

    /// <summary>Keeps what is told about a client that leaves, before it is taken out of its sets.</summary>
    public void Keep()
    {
        LeftGroups = KeysOf(ClientSetKind.Group);
        LeftTags = KeysOf(ClientSetKind.Tag);
    }
}
