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
Option<bool> contextTakeover = new("--context-takeover") { Description = "With --deflate: messages may refer to earlier ones, at about 300 KiB for each client" };
Option<bool> verbose = new("--verbose") { Description = "Print who comes and goes" };
Option<bool> tls = new("--tls") { Description = "Speak TLS: wss:// and https://. Without --certificate one is made for this run" };
Option<string?> certificate = new("--certificate") { Description = "File of the certificate, .pfx or PEM with its chain; a renewed one is used without a restart. Implies --tls" };
Option<string?> key = new("--key") { Description = "PEM file of the private key, if it is not in the certificate's file" };
Option<string?> password = new("--password") { Description = "Password of the private key" };
Option<string?> unix = new("--unix") { Description = "Listen on a Unix domain socket, by its path; beside TCP if --host or --port is given, else instead of it" };
Option<bool> systemd = new("--systemd") { Description = "Listen on the sockets that systemd has passed on (socket activation); beside TCP if --host or --port is given" };
Option<bool> proxyProtocol = new("--proxy-protocol") { Description = "Each connection begins with a PROXY header, version 1 or 2, that tells who the client is" };
Option<string[]> trustedProxy = new("--trusted-proxy")
{
    Description = "With --proxy-protocol: who is believed, an address or a network; may be repeated (default: localhost, and whoever reaches the Unix domain socket)",
};
Option<string> transport = new("--transport") { Description = "How the server waits for clients: eventloop takes less processor time per message, on Linux only", DefaultValueFactory = _ => "sockets" };
transport.AcceptOnlyFromAmong("sockets", "eventloop");
Option<int?> loops = new("--loops") { Description = "With --transport eventloop: how many threads wait for clients (default: one for each processor)" };
port.Validators.Add(result =>
{
    // What is no number at all is refused by the parser.
    if (result.Tokens is [{ Value: var text }] && int.TryParse(text, CultureInfo.InvariantCulture, out int number) && number is < IPEndPoint.MinPort or > IPEndPoint.MaxPort)
        result.AddError("--port is a number from 0 to 65535.");
});
RootCommand command = new("Echoes WebSocket messages: text as text, binary as binary.")
{
    host, port, path, broadcast, maxMessageSize, deflate, contextTakeover, verbose, tls, certificate, key, password, unix, systemd, proxyProtocol, trustedProxy,
    transport, loops,
};
command.SetAction(async (arguments, _) =>
{
    try
    {
        // Whatever page it comes from: an echo gives nothing away. A server with something to protect leaves this out or lists its pages.
        WebSocketServerOptions options = new() { MaxMessageSize = arguments.GetValue(maxMessageSize), AllowedOrigins = { "*" } };
        if (arguments.GetValue(deflate))
        {
            bool takeover = arguments.GetValue(contextTakeover);
            options.PerMessageDeflate = new() { ServerContextTakeover = takeover, ClientContextTakeover = takeover };
        }

        options.ListenDefaults.Tls = ReadTls(arguments);
        ReadProxies(arguments, options);
        ReadPlaces(arguments, options);
        ReadTransport(arguments, options);
        await using WebSocketServer server = new(options);
        return await RunAsync(server, options, arguments.GetValue(path), arguments.GetValue(broadcast), arguments.GetValue(verbose));
    }
    catch (Exception problem) when (problem is IOException or ArgumentException)
    {
        Console.Error.WriteLine(problem.Message);
        return 1;
    }
});
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

TlsOptions? ReadTls(ParseResult arguments)
{
    if (arguments.GetValue(certificate) is { } file)
        return TlsOptions.FromPem(file, arguments.GetValue(key), arguments.GetValue(password)); // a .pfx too: the contents decide
    if (arguments.GetValue(key) is not null)
        throw new ArgumentException("--key is the key of a certificate: add --certificate and its file.");
    if (arguments.GetValue(password) is not null)
        throw new ArgumentException("--password opens the key of a certificate: add --certificate and its file.");
    if (!arguments.GetValue(tls))
        return null;

    Console.WriteLine(
        """
        The certificate was made for this run, and nobody has issued it. So clients have to accept it:
          a browser: open the address with https:// and go on in spite of the warning; then wss:// works there too
          .NET: client.Options.RemoteCertificateValidationCallback = (_, _, _, _) => true
          curl: --insecure
        """);
    return TlsOptions.SelfSigned([.. new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "localhost", "127.0.0.1", "::1", Environment.MachineName, arguments.GetValue(host)! }]);
}

void ReadProxies(ParseResult arguments, WebSocketServerOptions options)
{
    string[] trusted = arguments.GetValue(trustedProxy) ?? [];
    options.ListenDefaults.ProxyProtocol = arguments.GetValue(proxyProtocol);
    if (options.ListenDefaults.ProxyProtocol)
        options.TrustedProxies = trusted is [] ? ["localhost", "unix"] : trusted;
    else if (trusted is not [])
        throw new ArgumentException("--trusted-proxy says whose PROXY headers are believed: add --proxy-protocol.");
}

void ReadTransport(ParseResult arguments, WebSocketServerOptions options)
{
    bool usesLoops = arguments.GetValue(transport) == "eventloop";
    if (usesLoops && !OperatingSystem.IsLinux())
        throw new ArgumentException("--transport eventloop needs Linux. Leave it out here: the sockets of .NET work on every system.");
    options.Transport = usesLoops ? WebSocketTransport.EventLoop : WebSocketTransport.Sockets;
    options.EventLoops = arguments.GetValue(loops);
    if (!usesLoops && options.EventLoops is not null)
        throw new ArgumentException("--loops is the number of event loops: add --transport eventloop.");
    if (options.EventLoops is < 1 or > 1024)
        throw new ArgumentException("--loops is a number from 1 to 1024.");
}

void ReadPlaces(ParseResult arguments, WebSocketServerOptions options)
{
    if (arguments.GetValue(unix) is { } file)
        options.Listen($"unix:{Path.GetFullPath(file)}");
    if (arguments.GetValue(systemd))
        options.ListenOnSystemdSockets();
    bool isTcpWanted = arguments.GetResult(host) is { Implicit: false } || arguments.GetResult(port) is { Implicit: false };
    if (!isTcpWanted && (arguments.GetValue(unix) is not null || arguments.GetValue(systemd)))
        return;

    string ip = arguments.GetValue(host)!;
    if (!IPAddress.TryParse(ip, out IPAddress? address))
        throw new ArgumentException($"--host {ip} is no IP address. Use 127.0.0.1 for this machine alone, 0.0.0.0 for all of IPv4, :: for everything.");
    options.Listen(new IPEndPoint(address, arguments.GetValue(port)));
}

static async Task<int> RunAsync(WebSocketServer server, WebSocketServerOptions options, string? path, bool broadcast, bool verbose)
{
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
        server.ClientConnected += (_, e) => Console.WriteLine(string.Join(" ", "+", e.Client, e.Client.Tls?.Protocol, e.Client.Extensions).TrimEnd());
        server.ClientDisconnected += (_, e) => Console.WriteLine($"- {e.Client}: {e.Cause}, close code {e.CloseCode.Value} {e.CloseReason}".TrimEnd());
    }

    TaskCompletionSource stop = new();
    using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
    using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);

    await server.StartAsync();
    if (!server.IsListening)
        throw new ArgumentException("systemd has passed no sockets on. Start this program by a .service with a .socket of the same name, or with systemd-socket-activate.");
    Console.WriteLine($"Transport: {(options.Transport == WebSocketTransport.EventLoop ? $"event loops, threads: {options.EventLoops ?? Environment.ProcessorCount}" : "the sockets of .NET")}");
    PrintEndPoints(server.EndPoints, options.ListenDefaults, path);

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

static void PrintEndPoints(IReadOnlyList<EndPoint> endPoints, ListenOptions listen, string? path)
{
    bool isSecure = listen.Tls is not null;
    foreach (EndPoint endPoint in endPoints)
        Console.WriteLine(endPoint is IPEndPoint ? $"Listening on {(isSecure ? "wss" : "ws")}://{endPoint}{path}" : $"Listening on {(isSecure ? "https://" : "")}unix:{endPoint}");
    if (listen.ProxyProtocol)
        Console.WriteLine("Each connection has to begin with a PROXY header, so only a proxy can connect. Press Ctrl+C to stop.");
    else if (endPoints.Any(endPoint => endPoint is IPEndPoint))
        Console.WriteLine($"Open the address with {(isSecure ? "https" : "http")}:// in a browser to try it. Press Ctrl+C to stop.");
    else
        Console.WriteLine("Press Ctrl+C to stop.");
}

static byte[] ReadPage()
{
    using Stream resource = typeof(Program).Assembly.GetManifestResourceStream("page.html")!;
    byte[] page = new byte[resource.Length];
    resource.ReadExactly(page);
    return page;
}
