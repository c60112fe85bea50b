using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Testing.Memory;

/// <summary>The client's side of an opening handshake (RFC 6455 4.1).</summary>
internal static class ClientHandshake
{
    private const int MostHeadBytes = 1024 * 1024;

    /// <summary>The head of a request.</summary>
    /// <exception cref="ArgumentException">The target does not begin with a slash, or has a line end.</exception>
    public static string Request(string target, TestClientOptions options, string key)
    {
        List<KeyValuePair<string, string>> lines =
        [
            new("Host", "localhost"),
            new("Upgrade", "websocket"),
            new("Connection", "Upgrade"),
            new("Sec-WebSocket-Key", key),
            new("Sec-WebSocket-Version", "13"),
        ];
        if (options.Subprotocols.Count > 0)
            lines.Add(new("Sec-WebSocket-Protocol", string.Join(", ", options.Subprotocols)));
        if (options.Compression is { } compression)
            lines.Add(new("Sec-WebSocket-Extensions", Offer(compression)));
        return Head(target, options, lines);
    }

    /// <summary>The head of a request that does not ask for a WebSocket.</summary>
    /// <exception cref="ArgumentException">The target does not begin with a slash, or has a line end.</exception>
    public static string PlainRequest(string target, TestClientOptions options) => Head(target, options, [new("Host", "localhost")]);

    public static string NewKey() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(16));

    /// <summary>Reads an answer; no byte behind it.</summary>
    /// <exception cref="IOException">The connection has ended in it.</exception>
    public static async Task<TestResponse> ReadAsync(Stream stream)
    {
        StringBuilder head = new();
        byte[] octet = new byte[1];
        while (!EndsHead(head))
        {
            // One at a time: what follows the head belongs to the WebSocket.
            if (await stream.ReadAsync(octet).ConfigureAwait(false) == 0 || head.Length == MostHeadBytes)
                throw new EndOfStreamException("The server has ended the connection without an answer.");
            head.Append((char)octet[0]);
        }

        string[] lines = head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        string[] status = lines[0].Split(' ', 3);
        List<KeyValuePair<string, string>> headers = [.. lines.Skip(1).Select(line => line.Split(':', 2)).Select(parts => KeyValuePair.Create(parts[0], parts[1].Trim()))];
        string? length = headers.FirstOrDefault(header => header.Key.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)).Value;
        byte[] body = new byte[int.Parse(length ?? "0", CultureInfo.InvariantCulture)];
        await stream.ReadExactlyAsync(body).ConfigureAwait(false);
        return new TestResponse((HttpStatusCode)int.Parse(status[1], CultureInfo.InvariantCulture), status[2], headers, Encoding.UTF8.GetString(body));
    }

    /// <summary>Checks the answer that accepts a client.</summary>
    /// <exception cref="InvalidDataException">It does not fit the request.</exception>
    public static void Check(TestResponse response, string key)
    {
        byte[] accept = new byte[SecWebSocketAccept.Length];
        SecWebSocketAccept.Write(key, accept);
        string expected = Encoding.ASCII.GetString(accept);
        if (!string.Equals(response["Sec-WebSocket-Accept"], expected, StringComparison.Ordinal))
            throw new InvalidDataException($"Sec-WebSocket-Accept of the server's answer is \"{response["Sec-WebSocket-Accept"]}\"; for this client it is \"{expected}\".");
    }

    /// <summary>The compression that the server has agreed on; null for none.</summary>
    public static WebSocketDeflateOptions? Agreed(TestResponse response)
    {
        if (response["Sec-WebSocket-Extensions"] is not { } extensions)
            return null;
        string[] parameters = [.. extensions.Split(';').Skip(1).Select(parameter => parameter.Trim())];
        return new WebSocketDeflateOptions
        {
            ClientContextTakeover = !parameters.Contains("client_no_context_takeover", StringComparer.Ordinal),
            ServerContextTakeover = !parameters.Contains("server_no_context_takeover", StringComparer.Ordinal),
            ClientMaxWindowBits = Bits("client_max_window_bits="),
            ServerMaxWindowBits = Bits("server_max_window_bits="),
        };

        int Bits(string name) => parameters.FirstOrDefault(parameter => parameter.StartsWith(name, StringComparison.Ordinal)) is { } found
            ? int.Parse(found.AsSpan(name.Length).Trim('"'), CultureInfo.InvariantCulture)
            : 15;
    }

    private static string Head(string target, TestClientOptions options, List<KeyValuePair<string, string>> lines)
    {
        if (!target.StartsWith('/') || target.AsSpan().ContainsAny("\r\n "))
        {
            throw new ArgumentException(
                $"The target has to begin with a slash and to have neither space nor line end, percent-encoded as in a URL: \"/chat?room=1\". It is \"{target}\".", nameof(target));
        }

        lines.RemoveAll(line => options.Headers.Any(header => header.Key.Equals(line.Key, StringComparison.OrdinalIgnoreCase)));
        lines.AddRange(options.Headers);
        return $"GET {target} HTTP/1.1\r\n{string.Concat(lines.Select(line => $"{line.Key}: {line.Value}\r\n"))}\r\n";
    }

    private static bool EndsHead(StringBuilder head) => head.Length > 3 && head[^1] == '\n' && head[^2] == '\r' && head[^3] == '\n' && head[^4] == '\r';

    // As the framework's client offers it.
    private static string Offer(WebSocketDeflateOptions options) => string.Create(
        CultureInfo.InvariantCulture,
        $"permessage-deflate; client_max_window_bits{(options.ClientMaxWindowBits == 15 ? "" : $"={options.ClientMaxWindowBits}")}{(options.ClientContextTakeover ? "" : "; client_no_context_takeover")}{(options.ServerMaxWindowBits == 15 ? "" : $"; server_max_window_bits={options.ServerMaxWindowBits}")}{(options.ServerContextTakeover ? "" : "; server_no_context_takeover")}");
}
