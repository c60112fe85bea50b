using System.Net;

namespace WebSocketServerKit.Testing;

/// <summary>The server's answer to the request of a handshake: the 101 that accepts the client, or a refusal. Of <see cref="TestEvents.AnswerOf"/>: the answer to a plain request.</summary>
public sealed class TestResponse
{
    internal TestResponse(HttpStatusCode status, string reasonPhrase, IReadOnlyList<KeyValuePair<string, string>> headers, string body)
    {
        Status = status;
        ReasonPhrase = reasonPhrase;
        Headers = headers;
        Body = body;
    }

    /// <summary>The status: <see cref="HttpStatusCode.SwitchingProtocols"/> for a client that was accepted.</summary>
    public HttpStatusCode Status { get; }

    /// <summary>The status in words, as it was sent.</summary>
    public string ReasonPhrase { get; }

    /// <summary>The header lines, in their order.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; }

    /// <summary>The body as text; empty if there is none.</summary>
    public string Body { get; }

    /// <summary>The value of a header, or null if it was not sent. Several lines of one name are joined with a comma. Upper and lower case do not matter.</summary>
    public string? this[string name]
    {
        get
        {
            string[] values = [.. Headers.Where(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(header => header.Value)];
            return values.Length == 0 ? null : string.Join(", ", values);
        }
    }

    /// <summary>The status line and the body, for messages.</summary>
    public override string ToString() => $"{(int)Status} {ReasonPhrase}{(Body.Length == 0 ? "" : $": {Body.TrimEnd()}")}";
}
