namespace WebSocketServerKit.Protocol.Handshake;

/// <summary>Strings that were made lately, so that clients that say the same share one. It holds 64 at most. Thread-safe.</summary>
internal sealed class RecentTexts
{
    private readonly string?[] _texts = new string?[64];

    public string Get(ReadOnlySpan<char> text)
    {
        ref string? place = ref _texts[(uint)string.GetHashCode(text, StringComparison.Ordinal) % (uint)_texts.Length];
        string? recent = place; // read once: other threads put theirs there
        if (recent is null || !text.SequenceEqual(recent))
            place = recent = text.ToString();
        return recent;
    }
}
