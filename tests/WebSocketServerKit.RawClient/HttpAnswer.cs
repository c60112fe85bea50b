namespace WebSocketServerKit.Raw;

/// <summary>An HTTP answer, read strictly.</summary>
public sealed record HttpAnswer(string StatusLine, IReadOnlyList<KeyValuePair<string, string>> Headers, string Body)
{
    /// <summary>The values of all lines of the name, in any case.</summary>
    public IReadOnlyList<string> this[string name] =>
        [.. Headers.Where(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(header => header.Value)];

    public override string ToString() =>
        string.Join('\n', [StatusLine, .. Headers.Select(header => $"{header.Key}: {header.Value}"), "", Body]);
}
