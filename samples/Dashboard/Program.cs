using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Dashboard.Control;

Option<string> host = new("--host")
{
    Description = "Address of the page: 127.0.0.1 lets this machine alone control the server; any other lets everybody who reaches it",
    DefaultValueFactory = _ => "127.0.0.1",
};
Option<int> port = new("--port") { Description = "Port of the page; 0 lets the system choose", DefaultValueFactory = _ => 8090 };
port.Validators.Add(result =>
{
    // What is no number at all is refused by the parser.
    if (result.Tokens is [{ Value: var text }] && int.TryParse(text, CultureInfo.InvariantCulture, out int number) && number is < IPEndPoint.MinPort or > IPEndPoint.MaxPort)
        result.AddError("--port is a number from 0 to 65535.");
});
RootCommand command = new("A WebSocket server with a window: a web page opens and closes it and shows what happens.") { host, port };
command.SetAction((arguments, _) => RunAsync(arguments.GetValue(host)!, arguments.GetValue(port)));
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

static async Task<int> RunAsync(string host, int port)
{
    if (!IPAddress.TryParse(host, out IPAddress? address))
    {
        Console.Error.WriteLine($"--host {host} is no IP address. Use 127.0.0.1 for this machine alone, 0.0.0.0 for all of IPv4, :: for everything.");
        return 1;
    }

    try
    {
        await using ControlServer server = new(new IPEndPoint(address, port));
        TaskCompletionSource stop = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);

        await server.StartAsync();
        Console.WriteLine($"Dashboard: http://{server.EndPoint}");
        if (!IPAddress.IsLoopback(address))
            Console.WriteLine("Everybody who reaches this address can control the server.");
        Console.WriteLine("Open the address in a browser. Press Ctrl+C to stop.");

        await stop.Task;
        return 0;

        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.TrySetResult();
        }
    }
    catch (IOException problem)
    {
        Console.Error.WriteLine(problem.Message);
        return 1;
    }
}
