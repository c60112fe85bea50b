using System.Collections;
using System.Globalization;
using System.Text;

namespace WebSocketServerKit;

/// <summary>What the log lines of a client's handlers carry: the name of the server, the client's id, path and user. Immutable.</summary>
internal sealed class ClientLogScope(string serverName, WebSocketClient client) : IReadOnlyList<KeyValuePair<string, object?>>
{
    public int Count => client.UserId is null ? 3 : 4;

    public KeyValuePair<string, object?> this[int index] => index switch
    {
        0 => new("WebSocketServer", serverName),
        1 => new("ClientId", client.Id),
        2 => new("ClientPath", client.Path),
        3 when client.UserId is { } user => new("ClientUser", user),
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>For sinks that show scopes as text. The path and perhaps the user are chosen by the peer, so they must not be able to forge lines.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"server {serverName}, client {client.Id}, path ");
        AppendEscaped(text, client.Path);
        if (client.UserId is { } user)
            AppendEscaped(text.Append(", user "), user);
        return text.ToString();
    }

    private static void AppendEscaped(StringBuilder text, string value)
    {
        foreach (char character in value)
        {
            // U+2028 and U+2029 are no control characters, but some readers treat them as line ends.
            if (char.IsControl(character) || character is '\u2028' or '\u2029')
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:X4}");
            else
                text.Append(character);
        }
    }
}
