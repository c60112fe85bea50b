using System.Globalization;
using System.Text;

namespace WebSocketServerKit.Conformance.Compression;

/// <summary>
/// 256 KiB of one of the five kinds of data that the public suite compresses, made up here so that nobody else's files lie in this repository. Text is ASCII, so
/// that any slice of it is valid. The same in every run.
/// </summary>
internal sealed class TestData
{
    private const int Size = 256 * 1024;

    private readonly byte[] _bytes;

    private TestData(string name, bool isText, Action<Random, MemoryStream> writeSome)
    {
        (Name, IsText) = (name, isText);
        Random random = new(7692);
        using var bytes = new MemoryStream();
        while (bytes.Length < Size)
            writeSome(random, bytes);
        _bytes = bytes.ToArray()[..Size];
    }

    public static TestData Json { get; } = new("JSON", isText: true, (random, to) => Write(
        to, $"{{\"id\":{random.Next(100_000)},\"name\":\"{Word(random)} {Word(random)}\",\"active\":{(random.Next(2) == 0 ? "true" : "false")},\"scores\":[{random.Next(100)},{random.Next(100)}]}},\n"));

    public static TestData Bitmap { get; } = new("a picture, 8 bits a pixel", isText: false, (random, to) =>
    {
        for (int x = 0, row = (int)(to.Length / 512); x < 512; x++)
            to.WriteByte((byte)(128 + 90 * Math.Sin(row / 40.0) * Math.Cos(x / 60.0) + random.Next(4)));
    });

    public static TestData Prose { get; } = new("prose", isText: false, (random, to) => Write(to, $"{Word(random)}{(random.Next(9) == 0 ? ".\r\n" : " ")}"));

    public static TestData Html { get; } = new("HTML", isText: true, (random, to) => Write(
        to, $"<li class=\"entry\"><a href=\"/pages/{random.Next(1000)}.html\">{Word(random)}</a> <span>{Word(random)} {Word(random)}</span></li>\n"));

    public static TestData Pdf { get; } = new("a PDF", isText: false, (random, to) =>
    {
        int length = random.Next(500, 5000);
        Write(to, $"{random.Next(1000)} 0 obj\n<< /Length {length} /Filter /FlateDecode >>\nstream\n");
        to.Write(Random(length, random.Next()));
        Write(to, $"\nendstream\nendobj\n");
    });

    /// <summary>In the order of the groups 12.1 to 12.5.</summary>
    public static IReadOnlyList<TestData> All { get; } = [Json, Bitmap, Prose, Html, Pdf];

    public string Name { get; }

    public bool IsText { get; }

    public static byte[] Random(int size, int seed = 1)
    {
        byte[] bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>The next bytes from somewhere on; behind the end comes the beginning.</summary>
    public byte[] Slice(int from, int size)
    {
        byte[] slice = new byte[size];
        for (int i = 0; i < size; i++)
            slice[i] = _bytes[(from + i) % Size];
        return slice;
    }

    // A word of a vocabulary in which a few are frequent, as in a language.
    private static string Word(Random random)
    {
        int rank = (int)Math.Exp(random.NextDouble() * Math.Log(3000));
        Random letters = new(rank);
        return string.Concat(Enumerable.Range(0, letters.Next(2, 11)).Select(_ => "etaoinshrdlucmfwypvbgk"[letters.Next(letters.Next(1, 23))]));
    }

    private static void Write(MemoryStream to, FormattableString text) => to.Write(Encoding.ASCII.GetBytes(text.ToString(CultureInfo.InvariantCulture)));
}
