namespace Dashboard.Served;

/// <summary>What clients may make very long, as the page shows it: a report to the page stays small whatever they send.</summary>
internal static class Shortened
{
    private const int MaxLength = 100;

    /// <summary>Two paths often differ only at their ends, so the middle is left out.</summary>
    public static string Path(string path)
    {
        if (path.Length <= MaxLength)
            return path;
        int head = (MaxLength - 1) * 3 / 5;
        int tail = path.Length - (MaxLength - 1 - head);
        // No half of a surrogate pair stays.
        if (char.IsHighSurrogate(path[head - 1]))
            head--;
        if (char.IsLowSurrogate(path[tail]))
            tail++;
        return $"{path.AsSpan(0, head)}…{path.AsSpan(tail)}";
    }

    /// <summary>Of a user agent the beginning tells most.</summary>
    public static string Agent(string agent)
    {
        if (agent.Length <= MaxLength)
            return agent;
        int head = MaxLength - 1;
        if (char.IsHighSurrogate(agent[head - 1]))
            head--;
        return $"{agent.AsSpan(0, head)}…";
    }
}
