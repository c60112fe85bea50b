using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit.Microbenchmarks;

/// <summary>A whole connection without a network: a burst of frames arrives, and the echoes leave. Ours beside the framework's WebSocket, driven by the same bytes.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A connection in memory has nothing to give back.")]
public class InMemoryEcho
{
    private const int Burst = 16;

    private static readonly byte[] Request =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8.ToArray();

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
        await ConnectOursAsync();
        _ = EchoAsync(WebSocket.CreateFromStream(new TransportStream(_frameworks), new WebSocketCreationOptions { IsServer = true }), new byte[4096]);
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public void Ours() => Exchange(_ours);

    [Benchmark(OperationsPerInvoke = Burst, Baseline = true)]
    public void Framework() => Exchange(_frameworks);

    private void Exchange(MemoryTransport transport)
    {
        long expected = transport.BytesSent + _echoSize;
        transport.Receive(_burst);
        // As a rule all are back by now. Where this thread was taken off its core the connection's slice is over, and the rest comes on another thread.
        while (transport.BytesSent < expected)
            Thread.Yield();
        if (transport.BytesSent > expected)
            throw new InvalidOperationException("More came back than was sent.");
    }

    private async Task ConnectOursAsync()
    {
        WebSocketServerOptions options = new();
        WebSocketServer server = new(options);
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);

        ClientSession session = new(server, new ServerRun(server, options, new ServerLog(NullLogger.Instance)), _ours, expectsProxyHeader: false);
        _ = session.RunAsync();
        // Once it waits for the request, everything happens within Receive; Exchange would see it if not.
        await Task.Delay(100);
        _ours.Receive(Request);
    }

    private static async Task EchoAsync(WebSocket socket, byte[] buffer)
    {
        while (true)
        {
            ValueWebSocketReceiveResult received = await socket.ReceiveAsync(buffer.AsMemory(), default);
            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, default);
        }
    }
}
