namespace WebSocketServerKit.Connections.Handling;

/// <summary>What a notice tells.</summary>
internal enum NoticeKind : byte
{
    /// <summary>The client has begun to read too slowly.</summary>
    SlowBegan,

    /// <summary>The client has caught up.</summary>
    SlowEnded,

    /// <summary>The client's session ends soon.</summary>
    Expiring,

    /// <summary>The client has begun to send more than it may.</summary>
    OverRate,
}

/// <summary>Something that is told about a client beside its own events: see <see cref="Notices"/>.</summary>
/// <param name="Kind">What is told.</param>
/// <param name="Value">A number that belongs to it; its meaning depends on the kind.</param>
internal readonly record struct Notice(NoticeKind Kind, long Value = 0)
{
    private bool IsSlow => Kind is NoticeKind.SlowBegan or NoticeKind.SlowEnded;

    /// <summary>Whether this one makes another out of date if one of its own kind waits already: any of the same state.</summary>
    public bool Replaces(Notice other) => other.Kind == Kind || (IsSlow && other.IsSlow);
}
