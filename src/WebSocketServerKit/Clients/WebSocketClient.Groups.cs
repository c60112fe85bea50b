using System.Security.Claims;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Groups, tags and the user: what the client is selected by.
public sealed partial class WebSocketClient
{
    private int _placeByUser;

    /// <summary>
    /// Who the client is: what a handler has set in <see cref="HandshakingEventArgs.UserId"/>, else the <see cref="ClaimTypes.NameIdentifier"/> claim of <see cref="User"/>, else its <c>sub</c> claim, else the name of its identity. Null if there is none of them. One
    /// user may have many connections: <see cref="ClientSelection.WithUser"/> selects them.
    /// </summary>
    public string? UserId { get; }

    /// <summary>The groups that the client is in, in no particular order: a snapshot. Empty once it has left: then <see cref="ClientDisconnectedEventArgs.Groups"/> tells them.</summary>
    public IReadOnlyList<string> Groups => Memberships?.Registry.KeysOf(ClientSetKind.Group, this) ?? [];

    /// <summary>The tags that the client has, in no particular order: a snapshot. Once it has left they are the last ones.</summary>
    public IReadOnlyList<string> Tags => Memberships?.Registry.TagsOf(this) ?? [];

    /// <summary>
    /// Joins a group, which exists while it has members: <see cref="ClientSelection.InGroup"/> selects them. From <see cref="WebSocketServer.ClientConnected"/> on. The client leaves all its groups by
    /// itself, before <see cref="WebSocketServer.ClientDisconnected"/> is raised.
    /// </summary>
    /// <param name="group">Any name but an empty one. It is case-sensitive.</param>
    /// <returns>False if it was in the group, or the client has left.</returns>
    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    public bool Join(string group) => Add(ClientSetKind.Group, group, nameof(group));

    /// <summary>Leaves a group.</summary>
    /// <returns>False if the client was not in it, or has left.</returns>
    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    public bool Leave(string group) => Remove(ClientSetKind.Group, group, nameof(group));

    /// <summary>Whether the client is in a group. False once it has left.</summary>
    /// <exception cref="ArgumentException">The name is null or empty.</exception>
    public bool IsIn(string group)
    {
        ArgumentException.ThrowIfNullOrEmpty(group);
        return Memberships?.Registry.IsIn(ClientSetKind.Group, group, this) is true;
    }

    /// <summary>
    /// Adds a tag: a property of the client that others may have too, such as <c>admin</c> or <c>lang:en</c>. <see cref="ClientSelection.WithTag"/> selects by it. From
    /// <see cref="WebSocketServer.ClientConnected"/> on.
    /// </summary>
    /// <param name="tag">Any text but an empty one. It is case-sensitive.</param>
    /// <returns>False if the client had the tag, or has left.</returns>
    /// <exception cref="ArgumentException">The tag is null or empty.</exception>
    public bool AddTag(string tag) => Add(ClientSetKind.Tag, tag, nameof(tag));

    /// <summary>Removes a tag.</summary>
    /// <returns>False if the client did not have it, or has left.</returns>
    /// <exception cref="ArgumentException">The tag is null or empty.</exception>
    public bool RemoveTag(string tag) => Remove(ClientSetKind.Tag, tag, nameof(tag));

    /// <summary>Whether the client has a tag; once it has left: whether it had it then.</summary>
    /// <exception cref="ArgumentException">The tag is null or empty.</exception>
    public bool HasTag(string tag)
    {
        ArgumentException.ThrowIfNullOrEmpty(tag);
        return Memberships?.Registry.HasTag(tag, this) is true;
    }

    /// <summary>The groups that the client was in when it left.</summary>
    internal IReadOnlyList<string> LeftGroups => Memberships?.LeftGroups ?? [];

    /// <summary>Null until the client is registered. Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ClientMemberships? Memberships { get; set; }

    /// <summary>Kept for the <see cref="ClientRegistry"/>, under its lock.</summary>
    internal ref int PlaceByUser => ref _placeByUser;

    private bool Add(ClientSetKind kind, string key, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(key, name);
        return Memberships?.Registry.Join(kind, key, this) is true;
    }

    private bool Remove(ClientSetKind kind, string key, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(key, name);
        return Memberships?.Registry.Leave(kind, key, this) is true;
    }

    internal static string? IdOf(ClaimsPrincipal? user) => user is null
        ? null
        : FilledOrNull(user.FindFirst(ClaimTypes.NameIdentifier)?.Value) ?? FilledOrNull(user.FindFirst("sub")?.Value) ?? FilledOrNull(user.Identity?.Name);

    private static string? FilledOrNull(string? text) => text is "" ? null : text;
}
