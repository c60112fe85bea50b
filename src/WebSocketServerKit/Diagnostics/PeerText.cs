using System.Text;

namespace WebSocketServerKit.Diagnostics;

/// <summary>
/// Text that a peer has chosen, for the log. It is escaped as in a C# string literal, so that it cannot forge log lines and can be copied into code.
/// </summary>
/// <remarks>It is escaped only when the log message is formatted.</remarks>
/// <param name="Text">As the peer sent it.</param>
internal readonly record struct PeerText(string Text)
{
    public override string ToString()
    {
        int first = 0;
        while (first < Text.Length && !HasToBeEscaped(Text[first]))
            first++;
        if (first == Text.Length)
            return Text;

        StringBuilder escaped = new(Text, 0, first, Text.Length + 16);
        foreach (char character in Text.AsSpan(first))
        {
            if (!HasToBeEscaped(character))
                escaped.Append(character);
            else if (character is '"' or '\\')
                escaped.Append('\\').Append(character);
            else
                escaped.Append($"\\u{(int)character:X4}");
        }

        return escaped.ToString();
    }

    // U+2028 and U+2029 are not control characters, but some readers treat them as line ends.
    private static bool HasToBeEscaped(char character) => char.IsControl(character) || character is '\u2028' or '\u2029' or '"' or '\\';
}
