namespace WebSocketServerKit.Fuzz.Targets;

/// <summary>
/// An input that chooses its own cuts: the first byte has settings of the target in its high half and in its low half how many bytes with the
/// lengths of pieces follow (used over and over); the rest is what the parser gets.
/// </summary>
internal readonly struct InputCuts
{
    private readonly byte[] _lengths;

    public InputCuts(byte[] input)
    {
        int first = input.Length > 0 ? input[0] : 0;
        int count = Math.Min(first & 0xF, Math.Max(0, input.Length - 1));
        Settings = first >> 4;
        _lengths = input.AsSpan(Math.Min(1, input.Length), count).ToArray();
        Content = input.AsSpan(Math.Min(1 + count, input.Length)).ToArray();
    }

    /// <summary>0 to 15.</summary>
    public int Settings { get; }

    public byte[] Content { get; }

    /// <summary>Where the pieces end, the last one at the end of the content.</summary>
    public IEnumerable<int> Ends()
    {
        int end = 0;
        for (int i = 0; _lengths.Length > 0 && end < Content.Length; i++)
        {
            // A piece of 0 bytes would be no piece.
            end = Math.Min(Content.Length, end + 1 + _lengths[i % _lengths.Length]);
            yield return end;
        }

        if (end < Content.Length)
            yield return Content.Length;
    }

    /// <summary>A cut behind every byte.</summary>
    public IEnumerable<int> EveryByte() => Enumerable.Range(1, Content.Length);

    public IEnumerable<int> Whole() => [Content.Length];
}
