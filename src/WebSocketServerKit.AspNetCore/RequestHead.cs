using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace WebSocketServerKit;

/// <summary>Writes a request that the host has parsed as the bytes that an HTTP/1.1 client would have sent, because the server's own parser decides about all of them.</summary>
internal static class RequestHead
{
    // RFC 9110 5.6.2: token = 1*tchar
    private static readonly SearchValues<char> TokenCharacters = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    // What would end the line, or the request line's part, for some reader.
    private static readonly SearchValues<char> LineEnds = SearchValues.Create("\r\n\0");
    private static readonly SearchValues<char> TargetEnds = SearchValues.Create("\r\n\0 \t");

    /// <summary>False if the request has a part that would be read as another part. The host has checked that already, but middleware may have changed it.</summary>
    public static bool TryWrite(HttpContext context, out byte[] head, [NotNullWhen(false)] out string? complaint)
    {
        HttpRequest request = context.Request;
        IHttpExtendedConnectFeature? connect = context.Features.Get<IHttpExtendedConnectFeature>();
        bool isExtendedConnect = connect is { IsExtendedConnect: true };
        string method = isExtendedConnect ? "GET" : request.Method;
        string target = TargetOf(context, request);
        head = [];
        complaint = null;
        if (!IsToken(method))
            complaint = "The method of the request has a character that no method has.";
        else if (target.AsSpan().ContainsAny(TargetEnds))
            complaint = "The target of the request has a line end or a space.";
        else if (isExtendedConnect && !IsToken(connect!.Protocol ?? ""))
            complaint = "The :protocol of the request is no token.";
        if (complaint is not null)
            return false;

        // What the server asks of HTTP/1.1, such as a Host line, does not hold for HTTP/1.0.
        string version = HttpProtocol.IsHttp10(request.Protocol) ? "HTTP/1.0" : "HTTP/1.1";
        StringBuilder text = new StringBuilder(512).Append(method).Append(' ').Append(target).Append(' ').Append(version).Append("\r\n");
        foreach ((string name, StringValues values) in request.Headers)
        {
            if (!IsToken(name))
            {
                complaint = "The request has a header whose name is no token.";
                return false;
            }

            foreach (string? value in values)
            {
                if (value.AsSpan().ContainsAny(LineEnds))
                {
                    complaint = $"The header {name} has a line end.";
                    return false;
                }

                text.Append(name).Append(": ").Append(value).Append("\r\n");
            }
        }

        if (isExtendedConnect)
        {
            // RFC 8441 5: the key and its answer are not used, nor are Connection and Upgrade. The server asks for them, and nobody else sees them.
            string key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(16));
            text.Append("Upgrade: ").Append(connect!.Protocol).Append("\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ").Append(key).Append("\r\n");
        }
        else if (HasUnannouncedBody(context, request))
        {
            text.Append("Transfer-Encoding: chunked\r\n");
        }

        head = Encoding.UTF8.GetBytes(text.Append("\r\n").ToString());
        return true;
    }

    private static string TargetOf(HttpContext context, HttpRequest request)
    {
        string? target = context.Features.Get<IHttpRequestFeature>()?.RawTarget;
        return string.IsNullOrEmpty(target) ? request.PathBase.ToUriComponent() + request.Path.ToUriComponent() + request.QueryString.ToUriComponent() : target;
    }

    // In HTTP/2 and HTTP/3 a body needs no header.
    private static bool HasUnannouncedBody(HttpContext context, HttpRequest request) =>
        !HttpProtocol.IsHttp11(request.Protocol) && !HttpProtocol.IsHttp10(request.Protocol) && request.ContentLength is null
        && context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true };

    private static bool IsToken(string text) => text.Length > 0 && !text.AsSpan().ContainsAnyExcept(TokenCharacters);
}
