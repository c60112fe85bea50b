using System.Text;
using System.Text.Json.Serialization;
using WebSocketServerKit;

namespace Dashboard.Served;

/// <summary>Where received messages go.</summary>
/// <param name="Mode">To whom.</param>
/// <param name="Path">Whose clients get them, with <see cref="RelayMode.Path"/>.</param>
internal sealed record Relay(RelayMode Mode, string Path = "")
{
    /// <summary>How long that path may be: it is in every report.</summary>
    public const int MaxPathLength = 1000;

    /// <summary>Sends a message on. It never waits: who reads too slowly does not get it. Null if it goes nowhere.</summary>
    public Delivery? Deliver(ClientRegistry clients, MessageReceivedEventArgs e)
    {
        switch (Mode)
        {
            case RelayMode.Others:
                return new Delivery(e.Payload.Length, clients.Except(e.Client).Broadcast(e.Payload, e.MessageType));
            case RelayMode.Path:
                return new Delivery(e.Payload.Length, clients.WithPath(Path).Except(e.Client).Broadcast(e.Payload, e.MessageType));
            case RelayMode.Addressed when e.IsText && TryReadAddress(e.Payload, out string path, out ReadOnlySpan<byte> text):
                return new Delivery(text.Length, clients.WithPath(path).Except(e.Client).Broadcast(text, e.MessageType));
            default:
                return null;
        }
    }

    /// <summary>Reads <c>/bob hello</c>: the path of the receiver, a space, the text.</summary>
    public static bool TryReadAddress(ReadOnlySpan<byte> message, out string path, out ReadOnlySpan<byte> text)
    {
        int space = message.IndexOf((byte)' ');
        if (space < 0 || message[0] != '/')
        {
            path = "";
            text = [];
            return false;
        }

        path = Encoding.UTF8.GetString(message[..space]);
        text = message[(space + 1)..];
        return true;
    }
}

/// <summary>What became of a message that was sent on.</summary>
/// <param name="Size">The bytes that each receiver got: an address is not among them.</param>
/// <param name="Result">How many got it.</param>
internal readonly record struct Delivery(int Size, BroadcastResult Result);

[JsonConverter(typeof(JsonStringEnumConverter<RelayMode>))]
internal enum RelayMode
{
    /// <summary>To nobody.</summary>
    [JsonStringEnumMemberName("off")] Off,

    /// <summary>To all clients but the sender.</summary>
    [JsonStringEnumMemberName("others")] Others,

    /// <summary>To the clients of one path.</summary>
    [JsonStringEnumMemberName("path")] Path,

    /// <summary>To the clients of the path with which the text begins.</summary>
    [JsonStringEnumMemberName("addressed")] Addressed,
}
