using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit;

/// <summary>The values of a template's parameters in the path of one client: <c>client.PathValues["room"]</c> for <c>/chat/{room}</c>. Immutable.</summary>
/// <remarks>
/// The client has chosen them: check them before use. They are percent-decoded as <see cref="HandshakeRequest.Path"/>; an encoded slash stays <c>%2F</c>. The value of <c>{name}</c> is never empty, that of
/// <c>{*name}</c> may be, and may have slashes. None has a segment <c>.</c> or <c>..</c>.
/// </remarks>
[SuppressMessage("Naming", "CA1710", Justification = "Named for what it holds, as RequestValues is.")]
public sealed class PathValues : IReadOnlyDictionary<string, string>
{
    internal static readonly PathValues None = new("", [], []);

    private readonly string _template;
    private readonly string[] _names;
    private readonly string[] _values;

    internal PathValues(string template, string[] names, string[] values)
    {
        _template = template;
        _names = names;
        _values = values;
    }

    /// <summary>How many parameters the template has.</summary>
    public int Count => _names.Length;

    /// <summary>The names of the parameters, in the order of the template.</summary>
    public IEnumerable<string> Keys => _names;

    /// <summary>The values, in the order of the template.</summary>
    public IEnumerable<string> Values => _values;

    /// <summary>The value of a parameter.</summary>
    /// <param name="key">Its name, without braces. It is case-sensitive.</param>
    /// <exception cref="KeyNotFoundException">The template has no such parameter; the message tells those that it has.</exception>
    public string this[string key] => TryGetValue(key, out string? value)
        ? value
        : throw new KeyNotFoundException(
            _template.Length == 0
                ? $"There is no value \"{key}\": the client's path matches no template with parameters. Add one: server.Path(\"/chat/{{room}}\")."
                : $"There is no value \"{key}\": the parameters of \"{_template}\" are {string.Join(", ", _names)}.");

    /// <summary>Whether the template has such a parameter.</summary>
    public bool ContainsKey(string key) => TryGetValue(key, out _);

    /// <summary>Gets the value of a parameter. False if the template has no such parameter.</summary>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out string value)
    {
        ArgumentNullException.ThrowIfNull(key);
        int index = Array.IndexOf(_names, key);
        value = index < 0 ? null : _values[index];
        return index >= 0;
    }

    /// <summary>Names and values, in the order of the template.</summary>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator()
    {
        for (int i = 0; i < _names.Length; i++)
            yield return new(_names[i], _values[i]);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
