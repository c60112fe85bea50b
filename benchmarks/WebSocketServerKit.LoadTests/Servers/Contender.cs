using System.IO.Compression;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;

namespace WebSocketServerKit.LoadTests.Servers;

/// <summary>A server that is measured.</summary>
/// <param name="Name">What it is called in options and results.</param>
/// <param name="StartAsync">Starts it on a port of 127.0.0.1 that the system chooses, and gives that port.</param>
/// <param name="StartTlsAsync">The same over TLS with a certificate; null if it is not measured over TLS.</param>
internal sealed record Contender(string Name, Func<Service, Task<int>> StartAsync, Func<Service, X509Certificate2, Task<int>>? StartTlsAsync = null)
{
    public static readonly Contender Ours = new(
        "ours",
        service => OurServer.StartAsync(service),
        (service, certificate) => OurServer.StartAsync(service, OurServer.Tls(certificate)));

    public static readonly Contender OursLoop = new(
        "ours-loop",
        service => OurServer.StartAsync(service, OurServer.OnLoop(OurServer.Plain())),
        (service, certificate) => OurServer.StartAsync(service, OurServer.OnLoop(OurServer.Tls(certificate))));

    // The buffer that the ASP.NET documentation uses.
    public static readonly Contender Kestrel = WithKestrel("kestrel-4k", 4 * 1024);

    public static readonly Contender KestrelTuned = WithKestrel("kestrel-64k", 64 * 1024);

    public static readonly Contender[] All = [Ours, OursLoop, Kestrel, KestrelTuned];

    /// <summary>All of them and the floor under them.</summary>
    public static readonly Contender[] AndBare =
    [
        .. All,
        new(
            "bare",
            service => BareServer.StartAsync(broadcasts: service == Service.Broadcast),
            (service, certificate) => BareServer.StartAsync(broadcasts: service == Service.Broadcast, certificate)),
    ];

    /// <summary>The one that is mapped to an endpoint, and what it is compared with.</summary>
    public static readonly Contender[] AspNet = [new("aspnet", _ => AspNetServer.StartAsync()), .. All];

    /// <summary>How many processes those are that <see cref="Cluster"/> has over Redis.</summary>
    public const int Nodes = 3;

    public static readonly Contender SignalR = new("signalr-redis", _ => SignalRServer.StartAsync()) { Processes = Nodes, Greeting = SignalRServer.Greeting, PutsSeveralIntoOne = true };

    /// <summary>Several processes that act as one, and one that is alone.</summary>
    public static readonly Contender[] Cluster =
    [
        new("ours-redis", service => OurServer.StartAsync(service, redis: RedisProcess.Configuration)) { Processes = Nodes, Greeting = OurServer.InRoom },
        new("ours-loop-redis", service => OurServer.StartAsync(service, OurServer.OnLoop(OurServer.Plain()), RedisProcess.Configuration)) { Processes = Nodes, Greeting = OurServer.InRoom },
        new("ours-alone", service => OurServer.StartAsync(service)) { Greeting = OurServer.InRoom },
        SignalR,
    ];

    // The ones that compress are called by whose messages may refer to that side's earlier ones.
    public static readonly Contender OursDeflateNone = OursDeflate("none", server: false, client: false);

    public static readonly Contender KestrelDeflateBoth = KestrelDeflate("both", new() { DangerousEnableCompression = true });

    /// <summary>Those that compress, behind the same ones that do not.</summary>
    public static readonly Contender[] Deflating =
    [
        Ours,
        Kestrel,
        OursDeflateNone,
        OursDeflate("server", server: true, client: false),
        OursDeflate("both", server: true, client: true),
        // The level that Kestrel always uses.
        OursDeflate("both-optimal", server: true, client: true, CompressionLevel.Optimal),
        KestrelDeflateBoth,
        KestrelDeflate("client", new() { DangerousEnableCompression = true, DisableServerContextTakeover = true }),
        // Only the client can ask Kestrel for that.
        KestrelDeflate("none", new() { DangerousEnableCompression = true, DisableServerContextTakeover = true })
            with { Offer = "permessage-deflate; client_no_context_takeover; client_max_window_bits" },
    ];

    /// <summary>What a client offers that wants compression; by default, what browsers do.</summary>
    public string Offer { get; private init; } = "permessage-deflate; client_max_window_bits";

    /// <summary>In how many processes it runs.</summary>
    public int Processes { get; private init; } = 1;

    /// <summary>What its protocol asks of a client that has connected; null for nothing.</summary>
    public Greeting? Greeting { get; private init; }

    /// <summary>Whether a message of the WebSocket may have several messages of the server's own protocol.</summary>
    public bool PutsSeveralIntoOne { get; private init; }

    /// <summary>Serves in this process: prints the port, and ends with the input.</summary>
    /// <param name="name">Which one.</param>
    /// <param name="service">What it does.</param>
    /// <param name="certificate">A <see cref="ServerCertificate"/>, for TLS; otherwise null.</param>
    public static async Task ServeAsync(string name, Service service, string? certificate)
    {
        Contender contender = AndBare.Concat(AspNet).Concat(Deflating).Concat(Cluster).First(contender => contender.Name == name);
        Console.WriteLine(await (certificate is null
            ? contender.StartAsync(service)
            : (contender.StartTlsAsync ?? throw new NotSupportedException($"{name} is not measured over TLS."))(service, ServerCertificate.Read(certificate))));
        // Reading the console blocks its thread, and of the pool's there is one for each core.
        await Task.Factory.StartNew(
            () =>
            {
                // What it uses is read from outside; what it has worked on it has to tell.
                while (Console.In.ReadLine() is not null)
                    Console.WriteLine(Work.Done);
            },
            TaskCreationOptions.LongRunning);
    }

    private static Contender WithKestrel(string name, int bufferSize) => new(
        name,
        service => KestrelServer.StartAsync(bufferSize, service),
        (service, certificate) => KestrelServer.StartAsync(bufferSize, service, certificate: certificate));

    private static Contender OursDeflate(string name, bool server, bool client, CompressionLevel level = CompressionLevel.Fastest) =>
        new($"ours-deflate-{name}", service => OurServer.StartAsync(service, OurServer.Plain(new PerMessageDeflateOptions
        {
            ServerContextTakeover = server,
            ClientContextTakeover = client,
            Level = level,
            MinMessageSize = 64, // Kestrel compresses every message
            MaxContexts = int.MaxValue, // nor does it limit them
        })));

    private static Contender KestrelDeflate(string name, WebSocketAcceptContext accept) =>
        new($"kestrel-deflate-{name}", service => KestrelServer.StartAsync(4 * 1024, service, accept));
}
