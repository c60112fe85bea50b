using System.Globalization;

namespace WebSocketServerKit.TestKit;

/// <summary>An HTTP answer whose headers occur once each.</summary>
internal sealed record ReceivedAnswer(int Status, string Reason, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public static ReceivedAnswer Of(Raw.HttpAnswer answer)
    {
        string[] statusLine = answer.StatusLine.Split(' ', 3);
        return new ReceivedAnswer(
            int.Parse(statusLine[1], CultureInfo.InvariantCulture), statusLine[2], new Dictionary<string, string>(answer.Headers, StringComparer.OrdinalIgnoreCase), answer.Body);
    }
}
