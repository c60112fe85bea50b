using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit;

/// <summary>
/// The rules for topics and for the filters that clients subscribe to. They are those of MQTT, section 4.7: levels are separated by <c>/</c>; <c>+</c> stands for one level, <c>#</c> as the last
/// level for any number of them, none included. Comparison is ordinal.
/// </summary>
public static class TopicFilter
{
    /// <summary>The largest number of characters of a filter or a topic.</summary>
    internal const int MaxLength = 1024;

    /// <summary>The largest number of levels of a filter. It bounds the depth of the trie, so the recursion of a match.</summary>
    internal const int MaxLevels = 32;

    /// <summary>
    /// Whether a client can subscribe to the filter: it is neither empty nor longer than 1,024 characters, has 32 levels at most, each wildcard stands alone in its level, <c>#</c> only in the last
    /// one, and there is no U+0000. Ask it of what a peer has sent, where an exception would close the connection.
    /// </summary>
    /// <param name="filter">The filter; null is not valid.</param>
    public static bool IsValid([NotNullWhen(true)] string? filter) => filter is not null && FilterProblem(filter) is null;

    /// <summary>
    /// Whether <see cref="ClientSelection.SubscribedTo"/> takes the topic: it is neither empty nor longer than 1,024 characters, and has no wildcard and no U+0000. Ask it where peers choose the topic
    /// of a message, as an exception would close the connection.
    /// </summary>
    /// <param name="topic">The topic; null is not valid.</param>
    public static bool IsValidTopic([NotNullWhen(true)] string? topic) => topic is not null && TopicProblem(topic) is null;

    internal static void Check(string filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        if (FilterProblem(filter) is { } problem)
            throw new ArgumentException(problem, nameof(filter));
    }

    internal static void CheckTopic(string topic)
    {
        ArgumentNullException.ThrowIfNull(topic);
        if (TopicProblem(topic) is { } problem)
            throw new ArgumentException(problem, nameof(topic));
    }

    private static string? FilterProblem(ReadOnlySpan<char> filter)
    {
        if (CommonProblem(filter, "topic filter") is { } problem)
            return problem;

        int levels = 0;
        for (ReadOnlySpan<char> rest = filter; ;)
        {
            int slash = rest.IndexOf('/');
            ReadOnlySpan<char> level = slash < 0 ? rest : rest[..slash];
            levels++;
            // MQTT-4.7.1-2 and MQTT-4.7.1-3: a wildcard must occupy an entire level of the filter.
            if (level.Length > 1 && level.IndexOfAny('+', '#') is >= 0 and int at)
                return $"A wildcard of a topic filter stands alone in its level, as in 'prices/+' or 'prices/#': level {levels} has other text beside '{level[at]}'.";
            if (slash < 0)
                break;
            // MQTT-4.7.1-2: the multi-level wildcard must be the last character of the filter.
            if (level is "#")
                return $"The wildcard '#' is the last level of a topic filter: here it is level {levels}, and more follow. '+' stands for one level anywhere.";
            rest = rest[(slash + 1)..];
        }

        return levels > MaxLevels ? $"A topic filter has at most {MaxLevels} levels; this one has {levels}." : null;
    }

    private static string? TopicProblem(ReadOnlySpan<char> topic)
    {
        if (CommonProblem(topic, "topic") is { } problem)
            return problem;
        // MQTT-3.3.2-2: the topic of a message must not contain wildcards.
        int wildcard = topic.IndexOfAny('+', '#');
        return wildcard < 0
            ? null
            : $"A topic to send to has no wildcards, but character {wildcard + 1} is '{topic[wildcard]}'. Wildcards belong in the filters that clients subscribe to.";
    }

    private static string? CommonProblem(ReadOnlySpan<char> text, string what)
    {
        // MQTT-4.7.3-1: at least one character long.
        if (text.IsEmpty)
            return $"A {what} must not be empty.";
        if (text.Length > MaxLength)
            return $"A {what} has at most {MaxLength} characters; this one has {text.Length}.";
        // MQTT-4.7.3-2: topics and filters must not include the null character.
        return text.Contains('\0') ? $"A {what} must not contain the character U+0000." : null;
    }
}
