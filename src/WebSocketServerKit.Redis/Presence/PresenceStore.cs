using StackExchange.Redis;

namespace WebSocketServerKit.Presence;

/// <summary>The calls of the <see cref="PresenceScripts"/>. They throw what the connection throws. Thread-safe.</summary>
internal sealed class PresenceStore
{
    /// <summary>What <see cref="ReadPageAsync"/> and <see cref="CountAsync"/> take for all clients.</summary>
    public const string AllClients = "clients";

    private readonly IDatabase _database;
    private readonly RedisKey[] _keys;
    private readonly string _base;

    public PresenceStore(IConnectionMultiplexer redis, string prefix)
    {
        _database = redis.GetDatabase();
        _base = $"{{{prefix}}}:presence:";
        _keys = [_base + "nodes"];
    }

    public static string UserSet(string userId) => "user:" + userId;

    public static string GroupSet(string group) => "group:" + group;

    /// <summary>The node of a registration: nodes register anew, and each registration has a number behind the id.</summary>
    public static string NodeOf(string registration) => registration[..registration.LastIndexOf('.')];

    /// <summary>See <see cref="PresenceScripts.Write"/>. False if Redis does not know the registration.</summary>
    public async Task<bool> WriteAsync(string registration, long number, TimeSpan expiry, string replaced, IReadOnlyList<RedisValue> changes) =>
        (bool)await EvaluateAsync(PresenceScripts.Write, [registration, number, (long)expiry.TotalMilliseconds, replaced, .. changes]).ConfigureAwait(false);

    public async Task LeaveAsync(string registration) => await EvaluateAsync(PresenceScripts.Leave, [registration]).ConfigureAwait(false);

    /// <summary>See <see cref="PresenceScripts.Remove"/>. Null when no registration has ended.</summary>
    /// <param name="last">What the last step returned; null to begin.</param>
    /// <param name="most">About how many keys and entries the step removes.</param>
    public async Task<Scan?> RemoveStepAsync(Scan? last, int most)
    {
        RedisResult[] step = (RedisResult[])(await EvaluateAsync(PresenceScripts.Remove, [last?.Registration ?? "", last?.Cursor ?? "0", most]).ConfigureAwait(false))!;
        return step.Length == 0 ? null : new Scan((string)step[0]!, (string)step[1]!);
    }

    public async Task<long> CountAsync(string what) => (long)await EvaluateAsync(PresenceScripts.Count, [what]).ConfigureAwait(false);

    public async Task<IReadOnlyList<(string Registration, OnlineNode Node)>> GetNodesAsync()
    {
        RedisResult[] nodes = (RedisResult[])(await EvaluateAsync(PresenceScripts.Nodes, []).ConfigureAwait(false))!;
        return Array.ConvertAll(nodes, node =>
        {
            string registration = (string)node[0]!;
            return (registration, new OnlineNode(NodeOf(registration), (long)node[1], DateTimeOffset.FromUnixTimeMilliseconds((long)node[2])));
        });
    }

    /// <summary>See <see cref="PresenceScripts.Page"/>: reads on where the scans are, and adds what it finds. Returns the scans that are not at their end.</summary>
    /// <param name="what"><see cref="AllClients"/>, or a set.</param>
    /// <param name="most">About how many clients.</param>
    /// <param name="scans">Empty to begin with all nodes.</param>
    /// <param name="found">A client may be found again by a later page.</param>
    public async Task<IReadOnlyList<Scan>> ReadPageAsync(string what, int most, IReadOnlyList<Scan> scans, Action<OnlineClient> found)
    {
        RedisValue[] arguments = [what, most, .. scans.SelectMany(scan => new RedisValue[] { scan.Registration, scan.Cursor })];
        List<Scan> left = [];
        foreach (RedisResult page in (RedisResult[])(await EvaluateAsync(PresenceScripts.Page, arguments).ConfigureAwait(false))!)
        {
            string registration = (string)page[0]!, nodeId = NodeOf(registration), cursor = (string)page[1]!;
            RedisResult entries = page[2];
            for (int i = 0; i < entries.Length; i += 2)
                found(StoredClient.Read(nodeId, (long)entries[i], (byte[])entries[i + 1]!));
            if (cursor != "0")
                left.Add(new Scan(registration, cursor));
        }

        return left;
    }

    private Task<RedisResult> EvaluateAsync(string script, RedisValue[] arguments) => _database.ScriptEvaluateAsync(script, _keys, [_base, .. arguments]);

    /// <summary>How far a registration has been scanned.</summary>
    /// <param name="Registration">Whose keys.</param>
    /// <param name="Cursor">Where to go on, as Redis gave it.</param>
    public sealed record Scan(string Registration, string Cursor);
}
