using System.Collections;

namespace WebSocketServerKit;

/// <summary>The header lines of a request, in the order in which they were received.</summary>
/// <remarks>
/// Names are compared without regard to case. Values are text without the whitespace around them: UTF-8 where the bytes of the line's value are
/// valid UTF-8, else Latin-1, so every byte sequence is some text. The only controls that values may have are the tab and U+0080 to U+009F.
/// The host application cannot change it; it may be read from several threads and kept as long as wanted.
/// </remarks>
public sealed class HeaderFields : IEnumerable<KeyValuePair<string, string>>
{
    private KeyValuePair<string, string>[] _lines = [];

    internal HeaderFields()
    {
    }

    /// <summary>The number of header lines; a name that was sent on three lines counts three times.</summary>
    public int Count { get; private set; }

    /// <summary>The named header's value, or <see langword="null"/> if it was not sent; repeated lines joined with <c>", "</c>.</summary>
    /// <param name="name">The header's name, in any case.</param>
    public string? this[string name]
    {
        get
        {
            string? first = null;
            foreach (KeyValuePair<string, string> line in Lines)
            {
                if (!IsNamed(line, name))
                    continue;

                // RFC 9110 5.3: "A recipient MAY combine multiple field lines within a field section that have the same field name
                // into one field line […] by appending each subsequent field line value to the initial field line value in order,
                // separated by a comma (",") and optional whitespace"
                if (first is not null)
                    return string.Join(", ", GetValues(name));
                first = line.Value;
            }

            return first;
        }
    }

    /// <summary>The values of the named header, one for each line on which it was sent; empty if it was not sent.</summary>
    /// <param name="name">The header's name, in any case.</param>
    public IReadOnlyList<string> GetValues(string name)
    {
        int count = CountOf(name);
        if (count == 0)
            return [];

        string[] values = new string[count];
        int next = 0;
        foreach (KeyValuePair<string, string> line in Lines)
        {
            if (IsNamed(line, name))
                values[next++] = line.Value;
        }

        return values;
    }

    /// <summary>The header lines in the order in which they were received, names in the case in which they were sent.</summary>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => _lines.Take(Count).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>So many more lines are about to be added.</summary>
    internal void Expect(int lines) => Array.Resize(ref _lines, Math.Max(_lines.Length, Count + lines));

    internal void Add(string name, string value)
    {
        if (Count == _lines.Length)
            Array.Resize(ref _lines, 2 * Count + 4);
        _lines[Count++] = new(name, value);
    }

    internal int CountOf(string name)
    {
        int count = 0;
        foreach (KeyValuePair<string, string> line in Lines)
        {
            if (IsNamed(line, name))
                count++;
        }

        return count;
    }

    private ReadOnlySpan<KeyValuePair<string, string>> Lines => _lines.AsSpan(0, Count);

    private static bool IsNamed(KeyValuePair<string, string> line, string name) =>
        line.Key.Equals(name, StringComparison.OrdinalIgnoreCase);
}
