namespace WebSocketServerKit.Serving.Backplanes;

/// <summary>What a server may subscribe to: the messages for its clients with one group or user, for subscribers of topics, for all, and those for this server alone.</summary>
internal readonly record struct BackplaneChannel(string Name)
{
    private const string GroupPrefix = "group:", UserPrefix = "user:", NodePrefix = "node:";

    /// <summary>Every server subscribes to it.</summary>
    public static readonly BackplaneChannel All = new("all");

    /// <summary>For all topics: their filters may have wildcards.</summary>
    public static readonly BackplaneChannel Topics = new("topics");

    public static BackplaneChannel Group(string name) => new(GroupPrefix + name);

    public static BackplaneChannel User(string id) => new(UserPrefix + id);

    public static BackplaneChannel Node(string id) => new(NodePrefix + id);

    /// <summary>The channel for messages to the clients of one key.</summary>
    public static BackplaneChannel Of(ClientSetKind kind, string key) => kind switch
    {
        ClientSetKind.Group => Group(key),
        ClientSetKind.User => User(key),
        _ => Topics,
    };

    /// <summary>Whether a server needs its messages: whether it has a client with that key.</summary>
    public bool IsNeededBy(ClientRegistry clients) =>
        Name.StartsWith(GroupPrefix, StringComparison.Ordinal) ? clients.HasKey(ClientSetKind.Group, Name[GroupPrefix.Length..])
        : Name.StartsWith(UserPrefix, StringComparison.Ordinal) ? clients.HasKey(ClientSetKind.User, Name[UserPrefix.Length..])
        : clients.HasKey(ClientSetKind.Topic, null);
}
