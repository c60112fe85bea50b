using System.Net;
using Microsoft.Extensions.Logging;
using WebSocketServerKit;

// Not a namespace of the library: the programs see what their using directives name, and no more.
namespace Guides;

/// <summary>The programs of docs/getting-started.md, as they stand there.</summary>
internal static class GettingStarted
{
    public static async Task EchoAsync()
    {
        await using WebSocketServer server = new("http://localhost:8080");
        server.OnMessage(async (client, message) => await client.SendAsync(message.Text));
        await server.StartAsync();

        Console.WriteLine("Press Enter to stop.");
        Console.ReadLine();
    }

    public static async Task PageAsync()
    {
        const string Page = """
            <!DOCTYPE html>
            <meta charset="utf-8">
            <title>Hello</title>
            <form id="form"><input id="text" autofocus autocomplete="off"> <button>Send</button></form>
            <ul id="messages"></ul>
            <script>
              const show = message => messages.appendChild(document.createElement("li")).textContent = message;
              const socket = new WebSocket(location.href.replace("http", "ws"));
              socket.onmessage = event => show(event.data);
              socket.onclose = event => show(`closed: ${event.code} ${event.reason}`);
              form.onsubmit = event => {
                event.preventDefault();
                socket.send(text.value);
                form.reset();
              };
            </script>
            """;

        await using WebSocketServer server = new("http://localhost:8080");
        server.HttpRequestReceived += (_, e) =>
        {
            if (e.Request is { Method: "GET", Path: "/" })
                e.Respond(HttpStatusCode.OK, Page, "text/html; charset=utf-8");
        };
        server.ClientConnected += (_, e) => server.Clients.Broadcast($"Client {e.Client.Id} is here. Present: {server.Clients.Count}");
        server.MessageReceived += (_, e) => server.Clients.Broadcast($"Client {e.Client.Id}: {e.Text}");
        server.ClientDisconnected += (_, e) => server.Clients.Broadcast($"Client {e.Client.Id} has left. Present: {server.Clients.Count}");
        await server.StartAsync();

        Console.WriteLine("Open http://localhost:8080 in two windows. Press Enter to stop.");
        Console.ReadLine();
    }

    public static async Task LogAsync()
    {
        using ILoggerFactory log = LoggerFactory.Create(logging => logging.AddSimpleConsole().SetMinimumLevel(LogLevel.Debug));
        await using WebSocketServer server = new("http://localhost:8080", log);
    }

    public static WebSocketServerOptions Options()
    {
        WebSocketServerOptions options = new();
        options.Listen("http://*:8080");                                                          // every address of this machine
        options.Listen("https://*:8443", TlsOptions.FromPem("fullchain.pem", "privkey.pem"));     // wss:// and https://
        options.AllowedHosts = ["chat.example.com"];                                              // the names that clients use
        options.AllowedOrigins = ["https://www.example.com"];                                     // pages of other sites that may connect
        return options;
    }
}
