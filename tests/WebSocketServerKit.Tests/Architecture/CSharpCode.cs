using System.Text;
using System.Text.RegularExpressions;

namespace WebSocketServerKit.Architecture;

/// <summary>Reads C# source far enough to tell code from comments and literals.</summary>
internal sealed partial class CSharpCode
{
    private readonly string _source;
    private readonly StringBuilder _code;
    private int _at;

    private CSharpCode(string source) => (_source, _code) = (source, new StringBuilder(source.Length));

    /// <summary>The source without comments and without what stands in literals. Code in the holes of interpolated strings stays.</summary>
    public static string In(string source)
    {
        var reader = new CSharpCode(source);
        reader.ReadCode(inHole: false);
        return reader._code.ToString();
    }

    [GeneratedRegex("""\G(?<prefix>[$@]*)(?<quotes>"{3,}|")""", RegexOptions.ExplicitCapture, Timeout.Infinite)]
    private static partial Regex StringStart { get; }

    private void ReadCode(bool inHole)
    {
        for (int braces = 0; _at < _source.Length;)
        {
            if (Starts("//"))
                SkipTo("\n");
            else if (Starts("/*"))
                SkipBehind("*/");
            else if (_source[_at] == '\'')
                SkipCharacter();
            else if (StringStart.Match(_source, _at) is { Success: true } start)
                ReadString(start);
            else if (inHole && braces == 0 && _source[_at] == '}')
                return;
            else
            {
                braces += _source[_at] switch { '{' => 1, '}' => -1, _ => 0 };
                _code.Append(_source[_at++]);
            }
        }
    }

    private void ReadString(Match start)
    {
        string prefix = start.Groups["prefix"].Value;
        bool verbatim = prefix.Contains('@', StringComparison.Ordinal);
        string quotes = verbatim ? "\"" : start.Groups["quotes"].Value;
        bool raw = quotes.Length > 1;
        string hole = new('{', prefix.Count(c => c == '$'));

        _at += prefix.Length + quotes.Length;
        while (true)
        {
            bool escape = !raw && ((verbatim ? Starts("\"\"") : Starts("\\")) || (hole.Length > 0 && Starts("{{")));
            if (escape)
                _at += 2;
            else if (Starts(quotes))
                break;
            else if (hole.Length > 0 && Starts(hole))
                ReadHole(hole.Length);
            else
                _at++;
        }

        _at += quotes.Length;
        _code.Append(' ');
    }

    private void ReadHole(int braces)
    {
        _at += braces;
        _code.Append(' ');
        ReadCode(inHole: true);
        _at += braces;
    }

    private void SkipCharacter()
    {
        _at += _source[_at + 1] == '\\' ? 3 : 2;
        SkipBehind("'");
    }

    private bool Starts(string what) => string.CompareOrdinal(_source, _at, what, 0, what.Length) == 0;

    private void SkipTo(string what)
    {
        int found = _source.IndexOf(what, _at, StringComparison.Ordinal);
        _at = found < 0 ? _source.Length : found;
    }

    private void SkipBehind(string what)
    {
        SkipTo(what);
        _at += what.Length;
    }
}
