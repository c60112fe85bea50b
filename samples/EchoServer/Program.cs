using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using WebSocketServerKit;

Option<string> host = new("--host") { Description = "Address to listen on: 0.0.0.0 for all of IPv4, :: for everything", DefaultValueFactory = _ => "127.0.0.1" };
Option<int> port = new("--port") { Description = "Port to listen on; 0 lets the system choose", DefaultValueFactory = _ => 8080 };
Option<string?> path = new("--path") { Description = "Serve this path alone, such as /echo; others get 404 (default: every path)" };
Option<bool> broadcast = new("--broadcast") { Description = "Send every message to all clients, the sender included, instead of back" };
Option<int> maxMessageSize = new("--max-message-size") { Description = "Largest message a client may send, in bytes", DefaultValueFactory = _ => new WebSocketServerOptions().MaxMessageSize };
Option<bool> deflate = new("--deflate") { Description = "Compress messages for clients that offer permessage-deflate, as browsers do" };
Option<bool> contextTakeover = new("--context-takeover") { Description = "With --deflate: messages may refer to earlier ones, at 270 KiB for each client" };
Option<bool> verbose = new("--verbose") { Description = "Print who comes and goes" };
port.Validators.Add(result =>
{
    // What is no number at all is refused by the parser.
    if (result.Tokens is [{ Value: var text }] && int.TryParse(text, CultureInfo.InvariantCulture, out int number) && number is < IPEndPoint.MinPort or > IPEndPoint.MaxPort)
        result.AddError("--port is a number from 0 to 65535.");
});
RootCommand command = new("Echoes WebSocket messages: text as text, binary as binary.") { host, port, path, broadcast, maxMessageSize, deflate, contextTakeover, verbose };
command.SetAction((arguments, _) =>
{
    // Whatever page it comes from: an echo gives nothing away. A server with something to protect leaves this out or lists its pages.
    WebSocketServerOptions options = new() { MaxMessageSize = arguments.GetValue(maxMessageSize), AllowedOrigins = { "*" } };
    if (arguments.GetValue(deflate))
    {
        bool takeover = arguments.GetValue(contextTakeover);
        options.PerMessageDeflate = new() { ServerContextTakeover = takeover, ClientContextTakeover = takeover };
    }

    return RunAsync(options, arguments.GetValue(host)!, arguments.GetValue(port), arguments.GetValue(path), arguments.GetValue(broadcast), arguments.GetValue(verbose));
});
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

static async Task<int> RunAsync(WebSocketServerOptions options, string host, int port, string? path, bool broadcast, bool verbose)
{
    try
    {
        if (!IPAddress.TryParse(host, out IPAddress? address))
            throw new ArgumentException($"--host {host} is no IP address. Use 127.0.0.1 for this machine alone, 0.0.0.0 for all of IPv4, :: for everything.");
        options.Listen(new IPEndPoint(address, port));

        await using WebSocketServer server = new(options);
        if (path is not null)
        {
            server.Handshaking += (_, e) =>
            {
                if (e.Request.Path != path)
                    e.Refuse(HttpStatusCode.NotFound, $"Only {path} is served here.\n");
            };
        }

        // A browser that opens the address gets a page to try it with.
        byte[] page = ReadPage();
        server.HttpRequestReceived += (_, e) =>
        {
            if (e.Request.Method is "GET" or "HEAD" && (path is null || e.Request.Path == path))
                e.Respond(HttpStatusCode.OK, page, "text/html; charset=utf-8");
        };

        if (broadcast)
            server.MessageReceived += (_, e) => server.Clients.Broadcast(e.Payload, e.MessageType);
        else
            server.OnMessage((client, message) => client.SendAsync(message.Payload, message.MessageType));

        if (verbose)
        {
            server.ClientConnected += (_, e) => Console.WriteLine($"+ {e.Client} {e.Client.Extensions}".TrimEnd());
            server.ClientDisconnected += (_, e) => Console.WriteLine($"- {e.Client}: {e.Cause}, close code {e.CloseCode.Value} {e.CloseReason}".TrimEnd());
        }

        TaskCompletionSource stop = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);

        await server.StartAsync();
        foreach (EndPoint endPoint in server.EndPoints)
            Console.WriteLine($"Listening on ws://{endPoint}{path}");
        Console.WriteLine("Open the address with http:// in a browser to try it. Press Ctrl+C to stop.");

        await stop.Task;
        StopResult result = await server.StopAsync();
        Console.WriteLine($"Stopped. Clients that left cleanly: {result.ClosedCleanly}, that were cut: {result.Aborted}.");
        return 0;

        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.TrySetResult();
        }
    }
    catch (Exception problem) when (problem is IOException or ArgumentException)
    {
        Console.Error.WriteLine(problem.Message);
        return 1;
    }
}

static byte[] ReadPage()
{
    using Stream resource = typeof(Program).Assembly.GetManifestResourceStream("page.html")!;
    byte[] page = new byte[resource.Length];
    resource.ReadExactly(page);
    return page;
}
