using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Options;

/// <summary>Checks that several classes of options share. Each message begins with the name of the option and tells what is valid.</summary>
internal static class OptionCheck
{
    /// <exception cref="ArgumentException">The value is outside of the range.</exception>
    public static void Range(string name, long value, long least, long most)
    {
        if (value < least || value > most)
            throw new ArgumentException($"{name} is {value}; it must be from {least} to {most}.");
    }

    /// <exception cref="ArgumentException">The time is not longer than zero, or too long.</exception>
    public static void Time(string name, TimeSpan value, int mostHours, bool mayBeInfinite)
    {
        if (mayBeInfinite && value == Timeout.InfiniteTimeSpan)
            return;
        var most = TimeSpan.FromHours(mostHours);
        if (value > TimeSpan.Zero && value <= most)
            return;
        // TimeSpan.Parse, and so configuration binding, reads a plain number as days.
        string spelling = value >= TimeSpan.FromDays(1) && value.Ticks % TimeSpan.TicksPerDay == 0
            ? $" In a configuration \"{value.Days}\" means {value.Days} days: write \"{TimeSpan.FromSeconds(value.Days)}\" for {value.Days} seconds."
            : "";
        throw new ArgumentException($"{name} is {value}; it must be longer than zero and at most {most}{(mayBeInfinite ? ", or Timeout.InfiniteTimeSpan" : "")}.{spelling}");
    }

    /// <exception cref="ArgumentException">The value is no constant of its type.</exception>
    public static void Defined<TEnum>(string name, TEnum value)
        where TEnum : struct, Enum
    {
        if (!Enum.IsDefined(value))
            throw new ArgumentException($"{name} is {value}; it must be one of {string.Join(", ", Enum.GetNames<TEnum>())}.");
    }

    /// <exception cref="ArgumentException">An entry cannot be the name of a subprotocol.</exception>
    public static void Subprotocols(string name, IEnumerable<string> subprotocols)
    {
        foreach (string subprotocol in subprotocols)
        {
            if (!HeaderTokens.IsToken(subprotocol))
                throw new ArgumentException($"{name}: \"{subprotocol}\" is no subprotocol name: use letters, digits and !#$%&'*+-.^_`|~ only.");
        }
    }

    /// <exception cref="ArgumentException">An entry cannot be an origin.</exception>
    public static void Origins(string name, IEnumerable<string> origins)
    {
        foreach (string origin in origins)
        {
            if (origin is null)
                throw new ArgumentException($"{name} has an entry that is null. Pages from files have the origin \"null\", in quotes.");
            if (OriginRules.Validate(origin) is { } problem)
                throw new ArgumentException($"{name}: {problem}");
        }
    }
}
