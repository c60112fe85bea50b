using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace WebSocketServerKit;

/// <summary>The head of an answer that the server has written: a status and headers.</summary>
internal sealed record ResponseHead(int Status, IReadOnlyList<KeyValuePair<string, string>> Headers)
{
    // What concerns one connection only, or what the host writes itself.
    private static readonly string[] HostsOwn = ["Connection", "Keep-Alive", "Date", "Transfer-Encoding"];

    /// <summary>Reads a head of the server's own making; null if there is more to come.</summary>
    /// <param name="bytes">What the server has written so far.</param>
    /// <param name="length">How many bytes the head has.</param>
    public static ResponseHead? Read(ReadOnlySpan<byte> bytes, out int length)
    {
        int end = bytes.IndexOf("\r\n\r\n"u8);
        length = end + 4;
        if (end < 0)
            return null;
        string[] lines = Encoding.Latin1.GetString(bytes[..end]).Split("\r\n");
        // HTTP/1.1 101 Switching Protocols
        int status = int.Parse(lines[0].AsSpan("HTTP/1.1 ".Length, 3), NumberStyles.None, CultureInfo.InvariantCulture);
        return new ResponseHead(status, [.. lines.Skip(1).Select(line => line.Split(": ", 2)).Select(parts => new KeyValuePair<string, string>(parts[0], parts[1]))]);
    }

    /// <summary>Sets the status and the headers of the response. A header that middleware has set before is replaced, but for those of which each stands for itself.</summary>
    /// <param name="response">The response; not begun.</param>
    /// <param name="isExtendedConnect">Whether it answers an extended CONNECT.</param>
    public void CopyTo(HttpResponse response, bool isExtendedConnect)
    {
        // RFC 8441 5: "a 2xx series HTTP response status code" opens the WebSocket.
        response.StatusCode = Status == StatusCodes.Status101SwitchingProtocols && isExtendedConnect ? StatusCodes.Status200OK : Status;
        // RFC 9113 8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields."
        bool isHttp1 = HttpProtocol.IsHttp11(response.HttpContext.Request.Protocol) || HttpProtocol.IsHttp10(response.HttpContext.Request.Protocol);
        HashSet<string> written = new(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, string value) in Headers)
        {
            if (HostsOwn.Contains(name, StringComparer.OrdinalIgnoreCase) || (!isHttp1 && name is ("Upgrade" or "Sec-WebSocket-Accept")))
                continue;
            if (!written.Add(name) || name.Equals("Set-Cookie", StringComparison.OrdinalIgnoreCase) || name.Equals("Vary", StringComparison.OrdinalIgnoreCase))
                response.Headers.Append(name, value);
            else
                response.Headers[name] = value;
        }

        // RFC 9110 7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option in the Connection header field".
        if (isHttp1 && written.Contains("Upgrade"))
            response.Headers.Connection = "Upgrade";
    }
}
