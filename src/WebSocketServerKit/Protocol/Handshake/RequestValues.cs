using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit;

/// <summary>The parameters of a query, or the cookies of a request, in the order in which they were sent.</summary>
/// <remarks>Names are case-sensitive. Immutable: it may be read from any thread and kept for any time.</remarks>
[SuppressMessage("Naming", "CA1710", Justification = "Named for what it holds, as HeaderFields is.")]
public sealed class RequestValues : IReadOnlyCollection<KeyValuePair<string, string>>
{
    private readonly List<KeyValuePair<string, string>> _values;

    internal RequestValues(List<KeyValuePair<string, string>> values) => _values = values;

    /// <summary>How many there are; a name that was sent three times counts three times.</summary>
    public int Count => _values.Count;

    /// <summary>The first value with this name, or <see langword="null"/> if there is none.</summary>
    /// <param name="name">The name, in its case.</param>
    public string? this[string name]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(name);
            foreach ((string key, string value) in _values)
            {
                if (key == name)
                    return value;
            }

            return null;
        }
    }

    /// <summary>All values with this name, in the order in which they were sent; empty if there is none.</summary>
    /// <param name="name">The name, in its case.</param>
    public IReadOnlyList<string> GetValues(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return [.. _values.Where(pair => pair.Key == name).Select(pair => pair.Value)];
    }

    /// <summary>Names and values in the order in which they were sent.</summary>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => _values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
