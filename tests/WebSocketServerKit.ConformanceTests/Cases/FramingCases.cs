using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>Group 1: text and binary messages of every form of the length.</summary>
internal static class FramingCases
{
    private static readonly int[] Sizes = [0, 125, 126, 127, 128, 65_535, 65_536];

    public static IEnumerable<ConformanceCase> All => [.. OfKind("1.1", TextOpcode, (byte)'*'), .. OfKind("1.2", BinaryOpcode, 0xFE)];

    private static IEnumerable<ConformanceCase> OfKind(string group, byte opcode, byte fill)
    {
        string kind = opcode == TextOpcode ? "text" : "binary";
        for (int i = 0; i < Sizes.Length; i++)
        {
            ClientFrame message = new(opcode, Filled(Sizes[i], fill));
            yield return new($"{group}.{i + 1}", $"{kind} of {Sizes[i]:N0} B", async run =>
            {
                await run.SendAsync(message);
                await run.ExpectEchoAsync(message);
                await run.CloseAsync();
            });
        }

        ClientFrame chopped = new(opcode, Filled(65_536, fill));
        yield return new($"{group}.8", $"{kind} of 65,536 B in pieces of 997 B", async run =>
        {
            await run.SendPiecesAsync(997, chopped);
            await run.ExpectEchoAsync(chopped);
            await run.CloseAsync();
        });
    }

    private static byte[] Filled(int size, byte value)
    {
        byte[] bytes = new byte[size];
        bytes.AsSpan().Fill(value);
        return bytes;
    }
}
