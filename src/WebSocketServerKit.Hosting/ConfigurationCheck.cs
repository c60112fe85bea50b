using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace WebSocketServerKit;

/// <summary>
/// Compares a section of the configuration with the options that it is bound to. The binder passes over a key that it does not know, a list that is written as one value, and the like. Here each is a
/// problem, with the key that was probably meant.
/// </summary>
internal static class ConfigurationCheck
{
    /// <summary>A list of places to listen, each with a <see cref="Url"/> and <see cref="ListenOptions"/>.</summary>
    public const string Listen = "Listen";

    public const string Url = "Url";

    /// <summary><see cref="PathOptions"/> by template.</summary>
    public const string Paths = "Paths";

    /// <summary><see cref="StopOptions"/>.</summary>
    public const string Stop = "Stop";

    // Trimming keeps the properties of the types that are named here.
    private static readonly Dictionary<Type, Dictionary<string, Type>> Groups = new()
    {
        [typeof(WebSocketServerOptions)] = new(KeysOf(typeof(WebSocketServerOptions)), StringComparer.OrdinalIgnoreCase)
        {
            [Listen] = typeof(IList<PlaceSection>),
            [Paths] = typeof(IDictionary<string, PathOptions>),
            [Stop] = typeof(StopSection),
        },
        [typeof(PlaceSection)] = new(KeysOf(typeof(ListenOptions)), StringComparer.OrdinalIgnoreCase) { [Url] = typeof(string) },
        [typeof(ListenOptions)] = KeysOf(typeof(ListenOptions)),
        [typeof(TlsOptions)] = KeysOf(typeof(TlsOptions)),
        [typeof(PerMessageDeflateOptions)] = KeysOf(typeof(PerMessageDeflateOptions)),
        [typeof(PathOptions)] = KeysOf(typeof(PathOptions)),
        [typeof(StopSection)] = KeysOf(typeof(StopSection)),
    };

    /// <summary>All problems of a section with the options of a server, each as a sentence that begins with the key.</summary>
    public static IReadOnlyList<string> Find(IConfigurationSection section, bool allowsUnknownKeys)
    {
        List<string> problems = [];
        CheckGroup(section, typeof(WebSocketServerOptions), allowsUnknownKeys, problems);
        foreach (IConfigurationSection place in section.GetSection(Listen).GetChildren())
        {
            if (string.IsNullOrEmpty(place[Url]))
                problems.Add($"{place.Path} has no {Url}. Write where to listen: \"{Url}\": \"https://*:8443\".");
        }

        return problems;
    }

    /// <summary>The keys of a group, with the types of their values.</summary>
    internal static IReadOnlyDictionary<string, Type> KeysIn(Type group) => Groups[group];

    private static Dictionary<string, Type> KeysOf([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type type) =>
        type.GetProperties().Where(property => property.CanWrite && property.PropertyType != typeof(SynchronizationContext))
            .ToDictionary(property => property.Name, property => property.PropertyType, StringComparer.OrdinalIgnoreCase);

    private static void CheckGroup(IConfigurationSection section, Type group, bool allowsUnknownKeys, List<string> problems)
    {
        Dictionary<string, Type> keys = Groups[group];
        foreach (IConfigurationSection child in section.GetChildren())
        {
            if (keys.TryGetValue(child.Key, out Type? type))
                CheckValue(child, Nullable.GetUnderlyingType(type) ?? type, allowsUnknownKeys, problems);
            else if (!allowsUnknownKeys)
                problems.Add($"{child.Path}: unknown; {Nearest(child.Key, keys.Keys)}");
        }
    }

    private static void CheckValue(IConfigurationSection section, Type type, bool allowsUnknownKeys, List<string> problems)
    {
        bool hasChildren = section.GetChildren().Any();
        bool isMany = type.IsGenericType && type.GetGenericTypeDefinition() is { } definition && (definition == typeof(IList<>) || definition == typeof(IDictionary<,>));
        if (isMany)
        {
            if (!hasChildren && !string.IsNullOrEmpty(section.Value))
            {
                problems.Add(type.GetGenericTypeDefinition() == typeof(IList<>)
                    ? $"{section.Path} is one value; it must be a list. Write [\"{section.Value}\"] in JSON, {section.Key}__0 as an environment variable."
                    : $"{section.Path} is one value; it must be a group of keys.");
            }

            foreach (IConfigurationSection entry in section.GetChildren())
                CheckValue(entry, type.GetGenericArguments()[^1], allowsUnknownKeys, problems);
        }
        else if (Groups.ContainsKey(type))
        {
            if (!hasChildren && !string.IsNullOrEmpty(section.Value))
                problems.Add($"{section.Path} is the value \"{section.Value}\"; it must be a group of keys: {string.Join(", ", Groups[type].Keys.Order(StringComparer.Ordinal))}.");
            else if (!hasChildren && (type == typeof(PerMessageDeflateOptions) || type == typeof(TlsOptions)))
                problems.Add($"{section.Path} is empty, which a configuration cannot tell from null, so it would stay off. Set one of its keys, or leave it out: {string.Join(", ", Groups[type].Keys.Order(StringComparer.Ordinal))}.");
            CheckGroup(section, type, allowsUnknownKeys, problems);
        }
        else if (hasChildren)
        {
            problems.Add($"{section.Path} has keys below it; it must be one value.");
        }
        else if (section.Value is { } value && Expected(value, type) is { } expected)
        {
            problems.Add($"{section.Path} is \"{value}\"; {expected}");
        }
    }

    // What a value of the type looks like, if this is none. Null if it is one.
    private static string? Expected(string value, Type type)
    {
        if (type.IsEnum)
            return Enum.TryParse(type, value, ignoreCase: true, out _) ? null : $"it must be one of {string.Join(", ", Enum.GetNames(type))}.";
        if (type == typeof(bool))
            return bool.TryParse(value, out _) ? null : "it must be true or false.";
        if (type == typeof(int))
            return int.TryParse(value, NumberStyles.Integer, CultureInfo.InvariantCulture, out _) ? null : $"it must be a whole number of at most {int.MaxValue}.";
        if (type == typeof(long))
            return long.TryParse(value, NumberStyles.Integer, CultureInfo.InvariantCulture, out _) ? null : $"it must be a whole number of at most {long.MaxValue}.";
        return type == typeof(TimeSpan) && !TimeSpan.TryParse(value, CultureInfo.InvariantCulture, out _) ? "it must be a time: \"00:00:15\" is 15 seconds, \"-00:00:00.0010000\" is no limit." : null;
    }

    private static string Nearest(string key, IEnumerable<string> known)
    {
        (string name, int distance) = known.Select(name => (name, Distance(key, name))).MinBy(candidate => candidate.Item2);
        return distance <= Math.Max(2, key.Length / 3) ? $"did you mean {name}?" : $"known are {string.Join(", ", known.Order(StringComparer.Ordinal))}.";
    }

    // The number of letters to insert, remove or replace (Levenshtein).
    private static int Distance(string from, string to)
    {
        int[] previous = [.. Enumerable.Range(0, to.Length + 1)];
        int[] current = new int[to.Length + 1];
        for (int i = 1; i <= from.Length; i++)
        {
            current[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = previous[j - 1] + (char.ToUpperInvariant(from[i - 1]) == char.ToUpperInvariant(to[j - 1]) ? 0 : 1);
                current[j] = Math.Min(replaced, Math.Min(previous[j], current[j - 1]) + 1);
            }

            (previous, current) = (current, previous);
        }

        return previous[to.Length];
    }

    /// <summary>An entry of <see cref="Listen"/>.</summary>
    internal abstract class PlaceSection;
}
