using System.Net;
using System.Reflection;
using WebSocketServerKit;

namespace Dashboard.Control;

/// <summary>The files of the page. They are part of the program.</summary>
internal sealed class WebFiles
{
    private const string Folder = "web/";

    private static readonly KeyValuePair<string, string>[] Headers =
    [
        // Nothing but our own files runs or is loaded. The client of the second tab may connect to any server.
        new("Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
        new("Referrer-Policy", "no-referrer"),
        new("Cross-Origin-Resource-Policy", "same-origin"),
        new("Cache-Control", "no-cache"),
    ];

    private readonly Dictionary<string, (string ContentType, byte[] Bytes)> _files = new(StringComparer.Ordinal);

    public WebFiles()
    {
        Assembly assembly = typeof(WebFiles).Assembly;
        foreach (string name in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Folder, StringComparison.Ordinal)))
        {
            using Stream resource = assembly.GetManifestResourceStream(name)!;
            byte[] bytes = new byte[resource.Length];
            resource.ReadExactly(bytes);
            _files.Add(name[Folder.Length..], (ContentTypeOf(name), bytes));
        }
    }

    public void Answer(HttpRequestReceivedEventArgs e)
    {
        string name = e.Request.Path is "/" ? "index.html" : e.Request.Path[1..];
        if (e.Request.Method is not ("GET" or "HEAD"))
            e.Respond(HttpStatusCode.MethodNotAllowed, "The page can be read, nothing else.\n", headers: [new("Allow", "GET, HEAD")]);
        else if (_files.TryGetValue(name, out (string ContentType, byte[] Bytes) file))
            e.Respond(HttpStatusCode.OK, file.Bytes, file.ContentType, Headers);
        else
            e.Respond(HttpStatusCode.NotFound, "There is no such file here.\n");
    }

    private static string ContentTypeOf(string name) => Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        var other => throw new NotSupportedException($"No content type is known for {other}."),
    };
}
