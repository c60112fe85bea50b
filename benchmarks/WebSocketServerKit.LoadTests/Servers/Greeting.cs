using System.Text;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>What a client of some protocol sends after the opening handshake, if anything, and what it gets before it takes part.</summary>
internal sealed record Greeting(string? Request, params string[] Answers)
{
    /// <summary>The answers as short text frames.</summary>
    public byte[] Frames => [.. Answers.SelectMany(answer => (byte[])[0x81, (byte)answer.Length, .. Encoding.ASCII.GetBytes(answer)])];
}
