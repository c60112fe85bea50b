using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace WebSocketServerKit;

/// <summary>
/// The place of a message in a stream of <see cref="RedisHistory"/>. Give it to the client with each message as text (<c>9f3c21d07be45a18-42</c>): with it the client resumes after it has connected again.
/// </summary>
/// <param name="Epoch">Random text, made when the stream began. A stream that Redis has lost begins again with another one. 1 to 64 letters and digits.</param>
/// <param name="Number">1 for the first message of the epoch, and one more for each that follows; 0 stands before the first.</param>
public readonly record struct HistoryOffset(string Epoch, long Number)
{
    private const int MaxEpochLength = 64;
    private const long MaxNumber = 1L << 53; // a script of Redis counts no further
    private static readonly SearchValues<char> LettersAndDigits = SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    /// <summary>Reads what <see cref="ToString"/> has written.</summary>
    /// <param name="text">An epoch, a hyphen and a number.</param>
    /// <exception cref="FormatException">It is no offset.</exception>
    public static HistoryOffset Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out HistoryOffset offset) ? offset : throw new FormatException("This is no offset of a history: an epoch, a hyphen and a number are expected.");
    }

    /// <summary>Reads what <see cref="ToString"/> has written, whoever sends it: a text that no stream has ever made is safe.</summary>
    /// <param name="text">An epoch, a hyphen and a number; anything else gives false.</param>
    /// <param name="offset">The offset.</param>
    public static bool TryParse([NotNullWhen(true)] string? text, out HistoryOffset offset)
    {
        offset = default;
        int hyphen = text?.IndexOf('-', StringComparison.Ordinal) ?? -1;
        if (hyphen is < 1 or > MaxEpochLength || text.AsSpan(0, hyphen).ContainsAnyExcept(LettersAndDigits)
            || !long.TryParse(text.AsSpan(hyphen + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number > MaxNumber)
            return false;
        offset = new HistoryOffset(text![..hyphen], number);
        return true;
    }

    /// <summary>The epoch, a hyphen and the number.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Epoch}-{Number}");
}
