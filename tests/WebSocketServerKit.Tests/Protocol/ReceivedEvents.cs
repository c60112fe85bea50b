using System.Text;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Protocol;

/// <summary>An event with all that belongs to it, as one line of text.</summary>
internal readonly record struct ReceivedEvent(string Line)
{
    /// <summary>Whether nothing may come after it.</summary>
    public bool IsLast => Kind is nameof(ProtocolEvent.Close) or nameof(ProtocolEvent.Violation);

    public string Kind => Line.Split(' ')[0];

    public override string ToString() => Line;
}

/// <summary>What a <see cref="ServerProtocol"/> makes of its input.</summary>
internal static class ReceivedEvents
{
    /// <summary>Feeds the inputs one after the other, as a receive loop does, and tells the events.</summary>
    public static List<ReceivedEvent> Receive(this ServerProtocol protocol, params IEnumerable<byte[]> inputs)
    {
        List<ReceivedEvent> events = [];
        foreach (byte[] bytes in inputs)
        {
            byte[] input = [.. bytes]; // unmasked in place
            Memory<byte> rest = input;
            for (ProtocolEvent found = protocol.Step(ref rest); found != ProtocolEvent.None; found = protocol.Step(ref rest))
            {
                if (found == ProtocolEvent.Unfinished)
                    continue;
                Assert.False(events is [.., { IsLast: true }], "There was an event after the last one.");
                events.Add(protocol.Describe(found));
                protocol.ReleasePayload();
            }

            Assert.True(rest.IsEmpty);
            input.AsSpan().Fill(0xEE); // nothing may look at it any more
        }

        return events;
    }

    public static ReceivedEvent Text(string text) => Message(Opcode.Text, Encoding.UTF8.GetBytes(text));

    public static ReceivedEvent Message(Opcode opcode, ReadOnlySpan<byte> payload) => new($"{opcode} {Convert.ToHexString(payload)}");

    public static ReceivedEvent Binary(ReadOnlySpan<byte> payload) => Message(Opcode.Binary, payload);

    public static ReceivedEvent Ping(string payload = "") => Message(Opcode.Ping, Encoding.UTF8.GetBytes(payload));

    public static ReceivedEvent Pong(string payload = "") => Message(Opcode.Pong, Encoding.UTF8.GetBytes(payload));

    public static ReceivedEvent Close(int code, string reason = "") => new($"Close {code} {reason}");

    public static ReceivedEvent Violation(ProtocolViolation violation) => new($"Violation {violation}");

    private static ReceivedEvent Describe(this ServerProtocol protocol, ProtocolEvent found) => found switch
    {
        ProtocolEvent.Message => new($"{protocol.MessageType} {Convert.ToHexString(protocol.Payload.Span)}"),
        ProtocolEvent.Close => Close((int)protocol.CloseCode, protocol.CloseReason),
        ProtocolEvent.Violation => Violation(protocol.Violation),
        _ => new($"{found} {Convert.ToHexString(protocol.Payload.Span)}"),
    };
}
