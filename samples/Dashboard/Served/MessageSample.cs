using System.Net.WebSockets;

namespace Dashboard.Served;

/// <summary>A message as the log shows it.</summary>
/// <param name="Number">Which message of the log it is, from 1.</param>
/// <param name="Time">When it came, in Unix milliseconds.</param>
/// <param name="Client">The client that sent it; null when it was sent from the page.</param>
/// <param name="Path">That client's path; empty when it was sent from the page.</param>
/// <param name="Binary">Whether it is binary.</param>
/// <param name="Size">Its payload bytes.</param>
/// <param name="Data">Its beginning: text as text, binary as hex.</param>
/// <param name="IsCut">Whether there is more of it.</param>
/// <param name="Receivers">How many clients it was sent to; null when nobody asked for that.</param>
internal sealed record MessageSample(long Number, long Time, long? Client, string Path, bool Binary, int Size, string Data, bool IsCut, int? Receivers)
{
    /// <summary>How many bytes of a message the log shows.</summary>
    public const int MaxShown = 4096;

    public static MessageSample Of(long number, long? client, string path, WebSocketMessageType type, ReadOnlySpan<byte> payload, int? receivers)
    {
        bool binary = type == WebSocketMessageType.Binary;
        ReadOnlySpan<byte> shown = Beginning(payload, MaxShown, binary);
        return new MessageSample(
            number,
            DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(),
            client,
            path,
            binary,
            payload.Length,
            binary ? Convert.ToHexStringLower(shown) : System.Text.Encoding.UTF8.GetString(shown),
            shown.Length < payload.Length,
            receivers);
    }

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
