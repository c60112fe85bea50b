using System.Net.WebSockets;
using System.Text;

namespace Dashboard.Served;

/// <summary>A message as the log shows it.</summary>
/// <param name="Number">Which message of the log it is, from 1.</param>
/// <param name="Time">When it came, in Unix milliseconds.</param>
/// <param name="Client">The client that sent it; null when it was sent from the page.</param>
/// <param name="Path">That client's path, shortened; empty when it was sent from the page.</param>
/// <param name="Origin">Who sent the message first, when it was forwarded from the page; else null.</param>
/// <param name="Binary">Whether it is binary.</param>
/// <param name="Size">Its payload bytes.</param>
/// <param name="Data">Its beginning: text as text, binary as hex.</param>
/// <param name="IsCut">Whether there is more of it.</param>
/// <param name="Receivers">How many clients it was sent to; null when nobody asked for that.</param>
internal sealed record MessageSample(
    long Number, long Time, long? Client, string Path, string? Origin, bool Binary, int Size, string Data, bool IsCut, int? Receivers)
{
    /// <summary>How many bytes of a text the log shows. Of binary data it shows half as many, which are as many digits.</summary>
    public const int MaxShown = 320;

    /// <summary>How many bytes of a message the page can read.</summary>
    public const int MaxRead = 64 * 1024;

    public static MessageSample Of(
        long number, long? client, string path, WebSocketMessageType type, ReadOnlySpan<byte> payload, int? receivers, string? origin = null)
    {
        bool binary = type == WebSocketMessageType.Binary;
        ReadOnlySpan<byte> shown = Beginning(payload, binary ? MaxShown / 2 : MaxShown, binary);
        return new MessageSample(
            number,
            DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(),
            client,
            Shortened.Path(path),
            origin,
            binary,
            payload.Length,
            Show(shown, binary),
            shown.Length < payload.Length,
            receivers);
    }

    /// <summary>As much of a message as a page can read: text as text, binary as hex.</summary>
    public static string Read(WebSocketMessageType type, ReadOnlySpan<byte> payload)
    {
        bool binary = type == WebSocketMessageType.Binary;
        return Show(Beginning(payload, MaxRead, binary), binary);
    }

    private static string Show(ReadOnlySpan<byte> payload, bool binary) => binary ? Convert.ToHexStringLower(payload) : Encoding.UTF8.GetString(payload);

    // Text is cut between two characters.
    private static ReadOnlySpan<byte> Beginning(ReadOnlySpan<byte> payload, int length, bool binary)
    {
        if (payload.Length <= length)
            return payload;
        while (!binary && (payload[length] & 0xC0) == 0x80)
            length--;
        return payload[..length];
    }
}
