namespace WebSocketServerKit.History;

/// <summary>What one read of a stream has found.</summary>
/// <param name="Head">The offset of the newest message that was ever published, at the time of the read.</param>
/// <param name="Entries">The messages behind an offset, in order. Empty if there are none.</param>
internal sealed record HistoryPage(HistoryOffset Head, IReadOnlyList<HistoryEntry> Entries)
{
    /// <summary>Whether the stream has never been at this offset: it has begun again, or has lost its end. Or the read is older than the offset.</summary>
    public bool Contradicts(HistoryOffset offset) => offset.Epoch != Head.Epoch || offset.Number > Head.Number;
}

/// <summary>A message with what clients get for it.</summary>
/// <param name="Offset">Its place.</param>
/// <param name="Message">Null if the host's function has failed.</param>
internal readonly record struct HistoryEntry(HistoryOffset Offset, PreparedMessage? Message);
