using System.Globalization;

namespace WebSocketServerKit.TestKit;

/// <summary>The head of an HTTP answer, and its body if it announced one.</summary>
internal sealed record HttpAnswer(int Status, string Reason, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public static HttpAnswer Parse(string head, out int bodyLength)
    {
        string[] lines = head.Split("\r\n");
        string[] statusLine = lines[0].Split(' ', 3);
        Assert.Equal("HTTP/1.1", statusLine[0]);
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string line in lines.Skip(1))
        {
            int colon = line.IndexOf(": ", StringComparison.Ordinal);
            Assert.True(colon > 0, $"\"{line}\" is no header.");
            headers.Add(line[..colon], line[(colon + 2)..]);
        }

        bodyLength = headers.TryGetValue("Content-Length", out string? length) ? int.Parse(length, CultureInfo.InvariantCulture) : 0;
        return new HttpAnswer(int.Parse(statusLine[1], CultureInfo.InvariantCulture), statusLine[2], headers, "");
    }
}
