using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using WebSocketServerKit;

using ILoggerFactory log = LoggerFactory.Create(logging => logging.AddSimpleConsole(console => console.SingleLine = true)); // at LogLevel.Debug also who comes and goes, and why
await using WebSocketServer server = new("http://localhost:8080", log);
server.OnMessage(async (client, message) => await client.SendAsync(message.Text)); // the client's next message waits until this has ended

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
