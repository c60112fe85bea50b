using System.Net;
using WebSocketServerKit;

namespace Consumers.Hosts;

/// <summary>A binary message to <c>/{name}</c> stores a file, a text message <c>get</c> fetches it.</summary>
internal sealed class FileServer : IAsyncDisposable
{
    private readonly WebSocketServer _server;

    public FileServer(string folder, EndPoint endPoint)
    {
        WebSocketServerOptions options = new() { MaxMessageSize = 64 * 1024 * 1024 };
        options.Listen(endPoint);
        _server = new WebSocketServer(options);
        _server.OnMessage(async (client, message) =>
        {
            string file = Path.Combine(folder, Path.GetFileName(client.Path));
            if (!message.IsText)
            {
                await File.WriteAllBytesAsync(file, message.PayloadMemory, client.ConnectionClosed);
                await client.SendAsync("stored");
            }
            else if (File.Exists(file))
            {
                await using FileStream content = File.OpenRead(file);
                await client.SendAsync(content, client.ConnectionClosed);
            }
            else
            {
                await client.CloseAsync(CloseCode.UnsupportedData, "There is no such file.", client.ConnectionClosed);
            }
        });
        _server.HttpRequestReceived += (_, e) =>
        {
            if (e.Request.Path == "/")
                e.Respond(HttpStatusCode.OK, string.Join('\n', Directory.EnumerateFiles(folder).Select(Path.GetFileName)));
        };
    }

    public EndPoint EndPoint => _server.EndPoints[0];

    public Task StartAsync() => _server.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
