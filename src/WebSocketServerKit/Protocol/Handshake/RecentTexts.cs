namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>A cache of up to 64 recent strings, so that clients that send the same text share one string. Thread-safe.</summary>
internal sealed class RecentTexts
{
    private readonly string?[] _texts = new string?[64];

    public string Get(ReadOnlySpan<char> text)
    {
        ref string? place = ref _texts[(uint)string.GetHashCode(text, StringComparison.Ordinal) % (uint)_texts.Length];
        string? recent = place; // read once: other threads may replace it
        if (recent is null || !text.SequenceEqual(recent))
            place = recent = text.ToString();
        return recent;
    }
}
