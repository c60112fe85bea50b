using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using WebSocketChat._1;
using WebSocketServerKit;

using ILoggerFactory log = LoggerFactory.Create(logging => logging.AddSimpleConsole(console => console.SingleLine = true)); // at LogLevel.Debug also who comes and goes, and why
WebSocketServerOptions options = new() { Urls = ["http://localhost:8080"], MaxMessageSize = 4 * 1024, MaxMessagesPerSecond = 20 };
await using WebSocketServer server = new(options, log);
new Chat(server).Serve();

byte[] page = ReadPage();
server.HttpRequestReceived += (_, e) =>
{
    if (e.Request is { Method: "GET" or "HEAD", Path: "/" })
        e.Respond(HttpStatusCode.OK, page, "text/html; charset=utf-8");
};

TaskCompletionSource stop = new();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal); // Ctrl+C
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
await server.StartAsync();
await stop.Task;
await server.StopAsync(); // clients get a Close frame (1001)

void OnSignal(PosixSignalContext signal)
{
    signal.Cancel = true; // the program ends when the server has stopped
    stop.TrySetResult();
}

static byte[] ReadPage()
{
    using Stream resource = typeof(Chat).Assembly.GetManifestResourceStream("page.html")!;
    byte[] page = new byte[resource.Length];
    resource.ReadExactly(page);
    return page;
}
