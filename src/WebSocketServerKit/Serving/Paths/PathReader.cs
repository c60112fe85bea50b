namespace WebSocketServerKit.Serving.Paths;

/// <summary>Takes a decoded path apart, segment by segment, without copying. One slash at its end makes no difference: <c>/chat/</c> has the segments of <c>/chat</c>.</summary>
/// <param name="path">It begins with a slash.</param>
internal ref struct PathReader(string path)
{
    // The slash at the end counts for the rest.
    private readonly int _end = path.Length > 1 && path[^1] == '/' ? path.Length - 1 : path.Length;
    private int _next = path.Length == 1 ? 1 : 0; // where the slash before the next segment is

    /// <summary>What follows the segments that were read, without the slash before it.</summary>
    public readonly ReadOnlySpan<char> Rest => _next < path.Length ? path.AsSpan(_next + 1) : default;

    /// <summary>Whether all segments were read.</summary>
    public readonly bool IsAtEnd => _next >= _end;

    /// <summary>Reads the next segment. False at the end.</summary>
    public bool TryRead(out ReadOnlySpan<char> segment)
    {
        segment = default;
        if (IsAtEnd)
            return false;
        segment = path.AsSpan(_next + 1, _end - _next - 1);
        int slash = segment.IndexOf('/');
        if (slash >= 0)
            segment = segment[..slash];
        _next += 1 + segment.Length;
        return true;
    }
}
