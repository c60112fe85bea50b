using System.Net.WebSockets;
using System.Text;

namespace WebSocketServerKit.Testing;

/// <summary>A message that a <see cref="TestClient"/> has received.</summary>
public sealed class ReceivedMessage
{
    private const int MostShown = 200;

    internal ReceivedMessage(WebSocketMessageType messageType, byte[] payload)
    {
        MessageType = messageType;
        Payload = payload;
    }

    /// <summary><see cref="WebSocketMessageType.Text"/> or <see cref="WebSocketMessageType.Binary"/>.</summary>
    public WebSocketMessageType MessageType { get; }

    /// <summary>Whether it is a text message.</summary>
    public bool IsText => MessageType == WebSocketMessageType.Text;

    /// <summary>The bytes of the message.</summary>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <summary>The payload, decoded from UTF-8.</summary>
    public string Text => Encoding.UTF8.GetString(Payload.Span);

    /// <summary>The message for people: <c>text "hello"</c>, <c>binary 01-02-03 (3 bytes)</c>. A long one is shortened.</summary>
    public override string ToString() => IsText ? Shown(Text) : Shown(Payload.Span);

    internal static string Shown(string text) => text.Length <= MostShown ? $"text \"{text}\"" : $"text \"{text[..MostShown]}…\" ({text.Length} characters)";

    internal static string Shown(ReadOnlySpan<byte> bytes) =>
        $"binary {BitConverter.ToString(bytes[..Math.Min(bytes.Length, MostShown / 4)].ToArray())}{(bytes.Length > MostShown / 4 ? "…" : "")} ({bytes.Length} bytes)";
}
