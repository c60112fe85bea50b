using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace WebSocketServerKit;

/// <summary>
/// Tells a client from all others on all servers of a <see cref="IBackplane"/>: <see cref="WebSocketClient.GlobalId"/>. As a text it can be kept in a database; <see cref="ClientSelection.WithGlobalId"/> finds the client
/// from every server, until it leaves.
/// </summary>
/// <param name="NodeId">The server: <see cref="WebSocketServer.NodeId"/>.</param>
/// <param name="ClientId">The client on that server: <see cref="WebSocketClient.Id"/>.</param>
public readonly record struct GlobalClientId(string NodeId, long ClientId)
{
    private const char Separator = '.';

    /// <summary>Reads what <see cref="ToString"/> has written.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static GlobalClientId Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out GlobalClientId id) ? id : throw new FormatException($"\"{text}\" is no id of a client. It has the form <node>{Separator}<number>, as GlobalClientId.ToString writes it.");
    }

    /// <summary>Reads what <see cref="ToString"/> has written. False if it is something else.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out GlobalClientId id)
    {
        id = default;
        int separator = text?.LastIndexOf(Separator) ?? -1;
        if (separator <= 0 || !long.TryParse(text.AsSpan(separator + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long client))
            return false;
        id = new GlobalClientId(text![..separator], client);
        return true;
    }

    /// <summary>The node and the number, with a dot between them.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{NodeId}{Separator}{ClientId}");
}
