using System.Text.Json.Serialization;
using Dashboard.Served;

namespace Dashboard.Control;

/// <summary>What a page asks for. Each gets a <see cref="Reply"/>.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "command")]
[JsonDerivedType(typeof(Open), "open")]
[JsonDerivedType(typeof(Close), "close")]
[JsonDerivedType(typeof(Disconnect), "disconnect")]
[JsonDerivedType(typeof(Send), "send")]
[JsonDerivedType(typeof(Forward), "forward")]
[JsonDerivedType(typeof(Read), "read")]
[JsonDerivedType(typeof(SetRelay), "relay")]
[JsonDerivedType(typeof(SetView), "view")]
internal abstract record Command
{
    /// <summary>The page's number for it, which the reply repeats.</summary>
    public required long Id { get; init; }
}

/// <summary>Opens the served end point, with TLS or, if that is null, without. Address and port are what somebody typed.</summary>
internal sealed record Open(string Address, string Port, bool AnyOrigin, TlsChoice? Tls = null) : Command;

/// <summary>Closes it.</summary>
internal sealed record Close : Command;

/// <summary>Closes the connection of one client.</summary>
internal sealed record Disconnect(long Client) : Command;

/// <summary>Sends a message to one client, or to all. Binary data is written as hex.</summary>
internal sealed record Send(long? Client, bool Binary, string Data) : Command;

/// <summary>Sends a message of the log, as it was received, to one client, or to all but its sender.</summary>
internal sealed record Forward(long Message, long? Client) : Command;

/// <summary>Asks for more of a message of the log than its beginning.</summary>
internal sealed record Read(long Message) : Command;

/// <summary>Says where received messages go.</summary>
internal sealed record SetRelay(Relay Relay) : Command;

/// <summary>Says which clients the page shows.</summary>
internal sealed record SetView(ClientView View) : Command;

/// <summary>The answer to a command.</summary>
internal sealed record Reply(long Id, bool Ok, string Text)
{
    public string Type { get; } = "reply";
}

/// <summary>A command cannot be carried out; the message tells the person at the page why.</summary>
internal sealed class RefusedCommandException(string message) : Exception(message);
