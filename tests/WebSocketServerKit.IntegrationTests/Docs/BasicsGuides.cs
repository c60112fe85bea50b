using System.IO.Pipes;
using System.Runtime.InteropServices;
using WebSocketServerKit;

// Not a namespace of the library: the programs see what their using directives name, and no more.
namespace Guides;

/// <summary>The C# of docs/events.md, docs/connections.md and the last block of docs/operations.md, so that it compiles.</summary>
internal static class BasicsGuides
{
    public static void Ask(WebSocketServer server)
    {
        server.MessageReceived += async (_, e) =>
        {
            if (e.Client.State is TaskCompletionSource<string> waiting)
            {
                e.Client.State = null;
                waiting.SetResult(e.Text);
                return;
            }

            string order = e.Text; // before ContinueReceiving, which ends the payload
            TaskCompletionSource<string> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
            e.Client.State = answer;
            e.ContinueReceiving();
            await e.Client.SendAsync("How many?");
            string count = await answer.Task.WaitAsync(e.Client.ConnectionClosed); // throws when the client leaves
            await e.Client.SendAsync($"{order}: {count}");
        };
    }

    public static async Task ServePipesAsync()
    {
        await using WebSocketServer server = new(new WebSocketServerOptions()); // listens nowhere
        server.OnMessage((client, message) => client.SendAsync(message.Text));
        await server.StartAsync();

        while (true)
        {
            NamedPipeServerStream pipe = new("echo", PipeDirection.InOut, NamedPipeServerStream.MaxAllowedServerInstances, PipeTransmissionMode.Byte, PipeOptions.Asynchronous);
            await pipe.WaitForConnectionAsync();
            _ = server.AcceptAsync(pipe);
        }
    }

    public static async Task WaitForSignalAsync()
    {
        TaskCompletionSource stop = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        await stop.Task; // then the server is disposed, and its clients get a Close frame

        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true; // do not end the process: Main does
            stop.TrySetResult();
        }
    }
}
