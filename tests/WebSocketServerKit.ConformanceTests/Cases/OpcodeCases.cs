using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>Group 4: opcodes that nobody has defined, data (3 to 7) and control (11 to 15).</summary>
internal static class OpcodeCases
{
    private static readonly ClientFrame Hello = Text("Hello, world!");

    public static IEnumerable<ConformanceCase> All => [.. OfKind("4.1", firstOpcode: 3), .. OfKind("4.2", firstOpcode: 11)];

    private static IEnumerable<ConformanceCase> OfKind(string group, byte firstOpcode)
    {
        for (int i = 0; i < 5; i++)
        {
            byte opcode = (byte)(firstOpcode + i);
            bool hasPayload = i is not (0 or 2);
            var unknown = new ClientFrame(opcode, hasPayload ? "reserved opcode"u8.ToArray() : default);
            string does = $"opcode {opcode} {(hasPayload ? "with" : "without")} payload";
            if (i < 2)
            {
                yield return new($"{group}.{i + 1}", does, async run =>
                {
                    await run.SendAsync(unknown);
                    await run.ExpectFailureAsync(1002);
                });
                continue;
            }

            // The fifth comes byte by byte.
            int piece = i == 4 ? 1 : 4096;
            yield return new($"{group}.{i + 1}", $"text, {does}, Ping{(i == 4 ? "; byte by byte" : "")}", async run =>
            {
                await run.SendPiecesAsync(piece, Hello, unknown, Ping());
                await run.ExpectEchoAsync(Hello);
                await run.ExpectFailureAsync(1002);
            });
        }
    }
}
