using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;
using BenchmarkDotNet.Attributes;
using WebSocketServerKit.Protocol.Framing;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>A whole connection without a network: a burst of frames arrives, and the echoes leave. Ours beside the framework's WebSocket, driven by the same bytes.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A connection in memory has nothing to give back.")]
public class InMemoryEcho
{
    private const int Burst = 16;

    private readonly MemoryTransport _ours = new();
    private readonly MemoryTransport _frameworks = new();
    private byte[] _burst = [];
    private long _echoSize;

    [Params(64, 1_024)]
    public int Size { get; set; }

    [Params(false, true)]
    public bool Text { get; set; }

    [GlobalSetup]
    public async Task Setup()
    {
        _burst = FrameData.Frames(Text ? Opcode.Text : Opcode.Binary, Size, Burst);
        _echoSize = Burst * (FrameHeaderWriter.SizeFor(Size) + Size);
        WebSocketServerOptions options = new();
        WebSocketServer server = new(options);
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
        await _ours.ConnectAsync(server, options);
        _ = EchoAsync(WebSocket.CreateFromStream(new TransportStream(_frameworks), new WebSocketCreationOptions { IsServer = true }), new byte[4096]);
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public void Ours() => _ours.Exchange(_burst, _echoSize);

    [Benchmark(OperationsPerInvoke = Burst, Baseline = true)]
    public void Framework() => _frameworks.Exchange(_burst, _echoSize);

    private static async Task EchoAsync(WebSocket socket, byte[] buffer)
    {
        while (true)
        {
            ValueWebSocketReceiveResult received = await socket.ReceiveAsync(buffer.AsMemory(), default);
            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, default);
        }
    }
}
