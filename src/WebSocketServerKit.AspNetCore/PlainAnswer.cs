using System.Text;
using Microsoft.AspNetCore.Http;

namespace WebSocketServerKit;

/// <summary>Answers of this package's own, where the server cannot be asked or its answer cannot be sent.</summary>
internal static class PlainAnswer
{
    public static async Task WriteAsync(HttpResponse response, int status, string text)
    {
        byte[] body = Encoding.UTF8.GetBytes(text + "\n");
        response.StatusCode = status;
        response.ContentType = "text/plain; charset=utf-8";
        response.ContentLength = body.Length;
        if (status == StatusCodes.Status503ServiceUnavailable)
            response.Headers.RetryAfter = "5";
        if (!HttpMethods.IsHead(response.HttpContext.Request.Method))
            await response.Body.WriteAsync(body).ConfigureAwait(false);
    }
}
