namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>What a client of some protocol sends after the opening handshake, if anything, and what it gets before it takes part.</summary>
internal sealed record Greeting(string? Request, params string[] Answers);
