using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Cases;

/// <summary>Group 6: text that is valid UTF-8 and text that is not, whole, fragmented and cut.</summary>
internal static class Utf8Cases
{
    // The word that Markus Kuhn's UTF-8 decoder test begins with: "κόσμε", its second letter U+1F79, which takes three bytes; 11 in all.
    private static readonly byte[] Kosme = [0xCE, 0xBA, 0xE1, 0xBD, 0xB9, 0xCF, 0x83, 0xCE, 0xBC, 0xCE, 0xB5];

    private static readonly byte[] Mixed = [.. "Hello-µ@ßöäüàá-UTF-8!!"u8];

    // A surrogate in the middle.
    private static readonly byte[] Invalid = [.. Kosme, 0xED, 0xA0, 0x80, .. "edited"u8];

    // The 13th byte makes it invalid: F4 90 is above U+10FFFF, whatever follows.
    private static readonly byte[] InvalidAtByte13 = [.. Kosme, 0xF4, 0x90, 0x80, 0x80, .. "edited"u8];

    public static IEnumerable<ConformanceCase> All =>
    [
        Echoed("6.1.1", "empty text", [], [[]]),
        Echoed("6.1.2", "text in three empty fragments", [], [[], [], []]),
        Echoed("6.1.3", "text in three fragments, the first and the last empty", Mixed, [[], Mixed, []]),
        Echoed("6.2.1", "text with characters of one and two bytes", Mixed, [Mixed]),
        Echoed("6.2.2", "the same in two fragments, cut between characters", Mixed, [Mixed[..12], Mixed[12..]]),
        Echoed("6.2.3", "the same in fragments of one byte", Mixed, Octets(Mixed)),
        Echoed("6.2.4", "κόσμε in fragments of one byte", Kosme, Octets(Kosme)),
        new("6.3.1", "text with a surrogate", async run =>
        {
            await run.SendAsync(Text(Invalid));
            await run.ExpectFailureAsync(1007);
        }),
        new("6.3.2", "the same in fragments of one byte", async run =>
        {
            await run.SendAsync(Fragmented(TextOpcode, Invalid, 1));
            await run.ExpectFailureAsync(1007);
        }),
        FailedAtOnceByFragment("6.4.1", "text above U+10FFFF in three fragments, the bad character in the second",
            Kosme.Length, Kosme.Length + 4),
        FailedAtOnceByFragment("6.4.2", "the same, the second fragment ending with the byte that breaks it",
            Kosme.Length + 1, Kosme.Length + 2),
        FailedAtOnceByPiece("6.4.3", "as 6.4.1, but one frame in three pieces", Kosme.Length, Kosme.Length + 4),
        FailedAtOnceByPiece("6.4.4", "as 6.4.2, but one frame in three pieces", Kosme.Length + 1, Kosme.Length + 2),
        .. Sequences.SelectMany((group, i) => group.Select((text, j) => Sequence($"6.{5 + i}.{j + 1}", text))),
    ];

    // 6.5 to 6.23: the sections of Markus Kuhn's test, valid ones marked.
    private static (byte[] Bytes, bool Valid)[][] Sequences =>
    [
        [Valid("hello$world"u8), Valid("hello¢world"u8), Valid("hello€world"u8), Valid("hello𤭢world"u8), Valid(Kosme)],
        // All prefixes; a character ends after 2, 5, 7, 9 and 11 bytes.
        [.. Enumerable.Range(1, Kosme.Length).Select(length => (Kosme[..length], length is 2 or 5 or 7 or 9 or 11))],
        // The first of each length
        [Valid(0x00), Valid(0xC2, 0x80), Valid(0xE0, 0xA0, 0x80), Valid(0xF0, 0x90, 0x80, 0x80)],
        [Bad(0xF8, 0x88, 0x80, 0x80, 0x80), Bad(0xFC, 0x84, 0x80, 0x80, 0x80, 0x80)],
        // The last of each length
        [Valid(0x7F), Valid(0xDF, 0xBF), Valid(0xEF, 0xBF, 0xBF), Valid(0xF4, 0x8F, 0xBF, 0xBF)],
        [Bad(0xF7, 0xBF, 0xBF, 0xBF), Bad(0xFB, 0xBF, 0xBF, 0xBF, 0xBF), Bad(0xFD, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF)],
        // The borders of the surrogates and of Unicode
        [
            Valid(0xED, 0x9F, 0xBF), Valid(0xEE, 0x80, 0x80), Valid(0xEF, 0xBF, 0xBD),
            Valid(0xF4, 0x8F, 0xBF, 0xBF), Bad(0xF4, 0x90, 0x80, 0x80),
        ],
        // Continuation bytes that continue nothing
        [
            Bad(0x80), Bad(0xBF), Bad(0x80, 0xBF), Bad(0x80, 0xBF, 0x80), Bad(0x80, 0xBF, 0x80, 0xBF), Bad(0x80, 0xBF, 0x80, 0xBF, 0x80),
            Bad(0x80, 0xBF, 0x80, 0xBF, 0x80, 0xBF), Bad([.. Range(0x80, 0xBE)]),
        ],
        // First bytes that begin nothing
        [.. new[] { (0xC0, 0xDE), (0xE0, 0xEE), (0xF0, 0xF6), (0xF8, 0xFA), (0xFC, 0xFC) }
            .Select(range => Bad([.. Range(range.Item1, range.Item2).SelectMany(first => (byte[])[first, 0x20])]))],
        // Sequences without their last byte, and all of them in a row
        [.. Unfinished.Select(sequence => Bad(sequence))],
        [Bad([.. Unfinished.SelectMany(sequence => sequence)])],
        // Bytes that are in no sequence
        [Bad(0xFE), Bad(0xFF), Bad(0xFE, 0xFE, 0xFF, 0xFF)],
        // Overlong: "/", the last of each length, NUL
        [
            Bad(0xC0, 0xAF), Bad(0xE0, 0x80, 0xAF), Bad(0xF0, 0x80, 0x80, 0xAF),
            Bad(0xF8, 0x80, 0x80, 0x80, 0xAF), Bad(0xFC, 0x80, 0x80, 0x80, 0x80, 0xAF),
        ],
        [
            Bad(0xC1, 0xBF), Bad(0xE0, 0x9F, 0xBF), Bad(0xF0, 0x8F, 0xBF, 0xBF),
            Bad(0xF8, 0x87, 0xBF, 0xBF, 0xBF), Bad(0xFC, 0x83, 0xBF, 0xBF, 0xBF, 0xBF),
        ],
        [
            Bad(0xC0, 0x80), Bad(0xE0, 0x80, 0x80), Bad(0xF0, 0x80, 0x80, 0x80),
            Bad(0xF8, 0x80, 0x80, 0x80, 0x80), Bad(0xFC, 0x80, 0x80, 0x80, 0x80, 0x80),
        ],
        // Surrogates, single and paired
        [.. Surrogates(0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF).Select(single => Bad(single))],
        [.. Surrogates(0xD800, 0xDB7F, 0xDB80, 0xDBFF)
            .SelectMany(high => Surrogates(0xDC00, 0xDFFF).Select(low => Bad([.. high, .. low])))],
        // What Unicode calls noncharacters is valid UTF-8, and so are its specials.
        [.. Enumerable.Range(0, 17).SelectMany(plane => new[] { Valid(plane << 16 | 0xFFFE), Valid(plane << 16 | 0xFFFF) })],
        [.. Enumerable.Range(0xFFF9, 7).Select(special => Valid(special))],
    ];

    private static byte[][] Unfinished =>
    [
        [0xC0], [0xE0, 0x80], [0xF0, 0x80, 0x80], [0xF8, 0x80, 0x80, 0x80], [0xFC, 0x80, 0x80, 0x80, 0x80],
        [0xDF], [0xEF, 0xBF], [0xF7, 0xBF, 0xBF], [0xFB, 0xBF, 0xBF, 0xBF], [0xFD, 0xBF, 0xBF, 0xBF, 0xBF],
    ];

    private static (byte[] Bytes, bool Valid) Valid(params ReadOnlySpan<byte> bytes) => (bytes.ToArray(), true);

    private static (byte[] Bytes, bool Valid) Valid(int codePoint) =>
        Valid(System.Text.Encoding.UTF8.GetBytes(char.ConvertFromUtf32(codePoint)));

    private static (byte[] Bytes, bool Valid) Bad(params ReadOnlySpan<byte> bytes) => (bytes.ToArray(), false);

    private static IEnumerable<byte> Range(int first, int last) => Enumerable.Range(first, last - first + 1).Select(value => (byte)value);

    // What a careless encoder would make of a UTF-16 code unit.
    private static IEnumerable<byte[]> Surrogates(params int[] units) =>
        units.Select(unit => (byte[])[(byte)(0xE0 | unit >> 12), (byte)(0x80 | (unit >> 6 & 0x3F)), (byte)(0x80 | (unit & 0x3F))]);

    private static byte[][] Octets(byte[] bytes) => [.. bytes.Select(octet => new[] { octet })];

    private static ConformanceCase Sequence(string id, (byte[] Bytes, bool Valid) text) => text.Valid
        ? Echoed(id, $"text {Convert.ToHexString(text.Bytes)}, which is valid", text.Bytes, [text.Bytes])
        : new(id, $"text {Convert.ToHexString(text.Bytes)}, which is not valid", async run =>
        {
            await run.SendAsync(Text(text.Bytes));
            await run.ExpectFailureAsync(1007);
        });

    private static ConformanceCase Echoed(string id, string does, byte[] text, byte[][] fragments) => new(id, does, async run =>
    {
        await run.SendAsync(fragments.Select((fragment, i) =>
            (i == 0 ? Text(fragment) : Continuation(fragment)) with { Fin = i == fragments.Length - 1 }));
        await run.ExpectEchoAsync(TextOpcode, text);
        await run.CloseAsync();
    });

    // The rest of the message is never sent: the server has to fail by what it has.
    private static ConformanceCase FailedAtOnceByFragment(string id, string does, int firstEnd, int secondEnd) => new(id, does, async run =>
    {
        await run.SendAsync(Text(InvalidAtByte13.AsMemory(0, firstEnd)) with { Fin = false });
        await run.ExpectSilenceAsync();
        await run.SendAsync(Continuation(InvalidAtByte13.AsMemory(firstEnd..secondEnd)) with { Fin = false });
        await run.ExpectFailureAsync(1007);
    });

    private static ConformanceCase FailedAtOnceByPiece(string id, string does, int firstEnd, int secondEnd) => new(id, does, async run =>
    {
        byte[] frame = Text(InvalidAtByte13).ToBytes();
        int payloadAt = frame.Length - InvalidAtByte13.Length;
        await run.WriteAsync(frame.AsMemory(0, payloadAt + firstEnd));
        await run.ExpectSilenceAsync();
        await run.WriteAsync(frame.AsMemory(payloadAt + firstEnd, secondEnd - firstEnd));
        await run.ExpectFailureAsync(1007);
    });
}
