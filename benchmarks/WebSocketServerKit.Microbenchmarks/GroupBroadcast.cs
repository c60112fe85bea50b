using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>A message for one room of ten, among many clients that are in other rooms. The clients are connections in memory that take everything at once.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A server that does not listen has nothing to give back.")]
public class GroupBroadcast
{
    private const int Room = 10;

    private static readonly byte[] Request =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8.ToArray();

    private readonly byte[] _payload = FrameData.Ascii(64);
    private WebSocketClient[] _room = [];
    private ClientRegistry _clients = null!;

    [Params(1_000)]
    public int Clients { get; set; }

    [GlobalSetup]
    public async Task Setup()
    {
        _clients = await ConnectAsync(Clients);
        int number = 0;
        foreach (WebSocketClient client in _clients)
        {
            client.State = $"room {number++ / Room}";
            client.Join((string)client.State);
            client.AddTag(number % 2 == 0 ? "even" : "odd");
        }

        _room = [.. _clients.InGroup("room 7")];
    }

    /// <summary>The host keeps lists of its own.</summary>
    [Benchmark(Baseline = true)]
    public int ByHand()
    {
        int sent = 0;
        foreach (WebSocketClient client in _room)
            sent += client.TrySend(_payload).IsAccepted ? 1 : 0;
        return sent;
    }

    [Benchmark]
    public int ToAGroup() => _clients.InGroup("room 7").Broadcast(_payload).Accepted;

    [Benchmark]
    public int ToAGroupExceptTheSender() => _clients.InGroup("room 7").Except(_room[0]).Broadcast(_payload).Accepted;

    [Benchmark]
    public int ToTwoGroups() => _clients.InAnyGroup("room 7", "room 8").Broadcast(_payload).Accepted;

    [Benchmark]
    public int ToAGroupWithATag() => _clients.InGroup("room 7").WithTag("even").Broadcast(_payload).Accepted;

    [Benchmark]
    public int JoinAndLeave() => (_room[0].Join("another") ? 1 : 0) + (_room[0].Leave("another") ? 1 : 0);

    /// <summary>A function is asked about every client.</summary>
    [Benchmark]
    public int ToThoseWhomAFunctionSelects() => _clients.Where(static client => (string?)client.State == "room 7").Broadcast(_payload).Accepted;

    /// <summary>Connects clients to a server that does not listen.</summary>
    internal static async Task<ClientRegistry> ConnectAsync(int count)
    {
        WebSocketServerOptions options = new();
        WebSocketServer server = new(options);
        ServerRun run = new(server, options, new ServerLog(NullLogger.Instance));
        MemoryTransport[] transports = [.. Enumerable.Range(0, count).Select(_ => new MemoryTransport())];
        foreach (MemoryTransport transport in transports)
            _ = new ClientSession(server, run, transport, expectsProxyHeader: false).RunAsync();
        await Task.Delay(1_000); // all wait for their request
        foreach (MemoryTransport transport in transports)
            transport.Receive(Request);
        for (int waits = 0; server.Clients.Count < count; waits++)
        {
            if (waits == 3_000)
                throw new InvalidOperationException($"Only {server.Clients.Count} of {count} clients are connected.");
            await Task.Delay(10);
        }

        return server.Clients;
    }
}

/// <summary>A message for a group of many.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A server that does not listen has nothing to give back.")]
public class LargeGroupBroadcast
{
    private readonly byte[] _payload = FrameData.Ascii(64);
    private WebSocketClient[] _members = [];
    private ClientRegistry _clients = null!;

    [Params(10_000)]
    public int Members { get; set; }

    [GlobalSetup]
    public async Task Setup()
    {
        _clients = await GroupBroadcast.ConnectAsync(Members);
        int number = 0;
        foreach (WebSocketClient client in _clients)
        {
            client.Join("all");
            client.Join($"{number % 2}");
            client.AddTag($"{number++ % 2}");
        }

        _members = [.. _clients];
    }

    /// <summary>The host keeps lists of its own.</summary>
    [Benchmark(Baseline = true)]
    public int ByHand()
    {
        int sent = 0;
        foreach (WebSocketClient client in _members)
            sent += client.TrySend(_payload).IsAccepted ? 1 : 0;
        return sent;
    }

    [Benchmark]
    public int ToAGroup() => _clients.InGroup("all").Broadcast(_payload).Accepted;

    [Benchmark]
    public int ToTwoGroups() => _clients.InAnyGroup("0", "1").Broadcast(_payload).Accepted;

    [Benchmark]
    public int ToAGroupWithATag() => _clients.InGroup("all").WithTag("1").Broadcast(_payload).Accepted;

    [Benchmark]
    public int CountOfAGroupWithATag() => _clients.InGroup("all").WithTag("1").Count;
}
