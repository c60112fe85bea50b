using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>Groups 9 and 10: large messages, many fragments, many pieces, many messages. The load tests judge times.</summary>
internal static class LimitCases
{
    private const int KiB = 1024;
    private const int MiB = 1024 * KiB;
    private static readonly int[] MessageSizes = [64 * KiB, 256 * KiB, MiB, 4 * MiB, 8 * MiB, 16 * MiB];
    private static readonly int[] FragmentSizes = [64, 256, KiB, 4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, MiB, 4 * MiB];
    private static readonly int[] PieceSizes = [64, 128, 256, 512, KiB, 2 * KiB];
    private static readonly int[] SmallSizes = [0, 16, 64, 256, KiB, 4 * KiB];

    public static IEnumerable<ConformanceCase> All =>
    [
        .. OfBothKinds("9.1", "9.2", MessageSizes, "in one frame", (run, opcode, size) =>
            EchoedAsync(run, opcode, size, message => run.SendAsync(new ClientFrame(opcode, message)))),
        .. OfBothKinds("9.3", "9.4", FragmentSizes, "fragments of a message of 4 MiB", (run, opcode, size) =>
            EchoedAsync(run, opcode, 4 * MiB, message => run.SendAsync(Fragmented(opcode, message, size)))),
        .. OfBothKinds("9.5", "9.6", PieceSizes, "pieces of a frame of 1 MiB", (run, opcode, size) =>
            EchoedAsync(run, opcode, MiB, message => run.SendPiecesAsync(size, new ClientFrame(opcode, message)))),
        .. OfBothKinds("9.7", "9.8", SmallSizes, "1,000 messages, each after the echo of the one before", async (run, opcode, size) =>
        {
            byte[] message = Message(size);
            byte[] frame = new ClientFrame(opcode, message).ToBytes();
            for (int i = 0; i < 1000; i++)
            {
                await run.WriteAsync(frame);
                await run.ExpectEchoAsync(opcode, message);
            }
        }),
        new("10.1.1", "text of 64 KiB in fragments of 1,300 B", async run =>
        {
            await EchoedAsync(run, TextOpcode, 64 * KiB, message => run.SendAsync(Fragmented(TextOpcode, message, 1300)));
            await run.CloseAsync();
        }),
    ];

    private static IEnumerable<ConformanceCase> OfBothKinds(
        string textGroup, string binaryGroup, int[] sizes, string does, Func<CaseRun, byte, int, Task> runAsync) =>
        from kind in new (string Group, byte Opcode, string Word)[] { (textGroup, TextOpcode, "text"), (binaryGroup, BinaryOpcode, "binary") }
        from i in Enumerable.Range(0, sizes.Length)
        select new ConformanceCase($"{kind.Group}.{i + 1}", $"{kind.Word}, {sizes[i]:N0} B: {does}", async run =>
        {
            await runAsync(run, kind.Opcode, sizes[i]);
            await run.CloseAsync();
        });

    private static async Task EchoedAsync(CaseRun run, byte opcode, int size, Func<byte[], Task> sendAsync)
    {
        byte[] message = Message(size);
        await sendAsync(message);
        await run.ExpectEchoAsync(opcode, message);
    }

    // Characters of one to four bytes, so that every cut has a chance to hit the middle of one.
    private static byte[] Message(int size)
    {
        ReadOnlySpan<byte> pattern = "aµ€𝄞"u8;
        byte[] message = new byte[size];
        Span<byte> rest = message;
        for (; rest.Length >= pattern.Length; rest = rest[pattern.Length..])
            pattern.CopyTo(rest);
        rest.Fill((byte)'*');
        return message;
    }
}
