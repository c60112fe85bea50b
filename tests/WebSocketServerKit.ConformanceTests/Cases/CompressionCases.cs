using WebSocketServerKit.Conformance.Compression;
using WebSocketServerKit.Raw;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>
/// Groups 12 and 13: compressed messages of several kinds of data and with several offers of permessage-deflate. The public suite sends 1,000 of each size; this
/// one sends as many as make 512 KiB, but 4 at least and 500 at most.
/// </summary>
internal static class CompressionCases
{
    private const int KiB = 1024;

    // What the client of the public suite offers when nothing else is wanted.
    private const string Offer = "permessage-deflate; client_no_context_takeover; client_max_window_bits";

    // The size of a message, and of the fragments of what it is compressed to; 0 for none.
    private static readonly (int Size, int Fragment)[] Sizes =
    [
        (16, 0), (64, 0), (256, 0), (KiB, 0), (4 * KiB, 0), (8 * KiB, 0), (16 * KiB, 0), (32 * KiB, 0), (64 * KiB, 0), (128 * KiB, 0),
        (8 * KiB, 256), (16 * KiB, 256), (32 * KiB, 256), (64 * KiB, 256), (128 * KiB, 256), (128 * KiB, KiB), (128 * KiB, 4 * KiB), (128 * KiB, 32 * KiB),
    ];

    private static readonly Negotiation Default = new(Offer, "permessage-deflate; client_no_context_takeover", 15, ContextTakeover: true);
    private static readonly Negotiation SmallWindow = new(
        $"{Offer}; server_no_context_takeover; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9", 9, ContextTakeover: false);

    private static readonly Negotiation[] Negotiations =
    [
        Default,
        new(
            $"{Offer}; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover", 15, ContextTakeover: false),
        // Here a smaller window excludes context takeover.
        SmallWindow with { Offer = $"{Offer}; server_max_window_bits=9" },
        new(
            $"{Offer}; server_max_window_bits=15",
            "permessage-deflate; client_no_context_takeover; server_max_window_bits=15", 15, ContextTakeover: true),
        SmallWindow,
        new(
            $"{Offer}; server_no_context_takeover; server_max_window_bits=15",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15", 15, ContextTakeover: false),
        SmallWindow with { Offer = $"{SmallWindow.Offer}, {Offer}; server_no_context_takeover, {Offer}" },
    ];

    public static IEnumerable<ConformanceCase> All =>
    [
        .. TestData.All.SelectMany((data, i) => Group($"12.{i + 1}", data, Default, data.Name)),
        .. Negotiations.SelectMany((extension, i) => Group($"13.{i + 1}", TestData.Json, extension, $"`{extension.Offer}`")),
    ];

    private static IEnumerable<ConformanceCase> Group(string group, TestData data, Negotiation extension, string does) =>
        Sizes.Select((size, i) =>
        {
            int count = Math.Clamp(512 * KiB / size.Size, 4, 500);
            string fragments = size.Fragment == 0 ? "" : $" in fragments of {size.Fragment:N0} B";
            return new ConformanceCase(
                $"{group}.{i + 1}",
                $"{does}: {count} messages of {size.Size:N0} B, compressed{fragments}",
                run => EchoAsync(run, data, size.Size, size.Fragment, count),
                extension);
        });

    private static async Task EchoAsync(CaseRun run, TestData data, int size, int fragment, int count)
    {
        byte opcode = data.IsText ? ClientFrame.TextOpcode : ClientFrame.BinaryOpcode;
        using var deflater = new Deflater(contextTakeover: false);
        for (int i = 0; i < count; i++)
        {
            byte[] message = data.Slice(i * size, size);
            byte[] deflated = deflater.Deflate(message);
            await run.SendAsync(ClientFrame.Deflated(opcode, deflated, fragment == 0 ? deflated.Length : fragment));
            await run.ExpectEchoAsync(opcode, message);
        }

        await run.CloseAsync();
    }
}
