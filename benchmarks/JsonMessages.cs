using System.Globalization;
using System.Text;

namespace WebSocketServerKit.Benchmarks;

/// <summary>
/// Messages as an application sends them: JSON, alike in structure and different in ids, names, prices and times. Always the same ones, each of exactly the size that is asked for.
/// </summary>
internal static class JsonMessages
{
    // More than the window of 32 KiB that a compressor looks back to: when the messages come round again, it does not know them any more.
    private const int LeastTotal = 128 * 1024;

    private static readonly string[] Materials = ["Oak", "Steel", "Linen", "Walnut", "Copper", "Wool", "Glass", "Ceramic", "Leather", "Bamboo", "Marble", "Cotton"];
    private static readonly string[] Things = ["Table", "Lamp", "Chair", "Kettle", "Blanket", "Shelf", "Mirror", "Carpet", "Bench", "Vase", "Clock", "Basket", "Desk", "Pillow"];
    private static readonly string[] Words = ["delivered", "by", "noon", "if", "ordered", "today", "reserved", "for", "pickup", "sold", "out", "again", "second", "choice", "new", "from", "stock"];

    /// <summary>A number of messages that come round one after the other.</summary>
    public static byte[][] Create(int size)
    {
        Random random = new(size);
        return [.. Enumerable.Range(0, Math.Max(32, LeastTotal / size)).Select(_ => Message(size, random))];
    }

    private static byte[] Message(int size, Random random)
    {
        StringBuilder text = new("{\"items\":[");
        string item = Item(random);
        while (text.Length + item.Length + "],\"note\":\"\"}".Length <= size)
        {
            text.Append(item).Append(',');
            item = Item(random);
        }

        text.Length--; // the last comma
        text.Append("],\"note\":\"");
        // Words to the end, the last one cut.
        while (text.Length < size)
            text.Append(Any(Words, random)).Append(' ');
        text.Length = size - 2;
        text.Append("\"}");
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    private static string Item(Random random)
    {
        DateTime at = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddMilliseconds(random.NextInt64(365L * 24 * 60 * 60 * 1000));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{{\"id\":{random.Next(100_000, 1_000_000)},\"name\":\"{Any(Materials, random)} {Any(Things, random)}\",\"price\":{random.Next(500, 100_000) / 100.0:F2},\"at\":\"{at:yyyy-MM-ddTHH:mm:ss.fffZ}\"}}");
    }

    private static string Any(string[] some, Random random) => some[random.Next(some.Length)];
}
