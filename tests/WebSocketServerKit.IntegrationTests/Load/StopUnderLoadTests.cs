using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Load;

/// <summary>A server with thousands of busy clients stops: each of them gets all that was accepted for it, and the Close frame.</summary>
public class StopUnderLoadTests
{
    private const int Count = 5000;

    [Theory]
    [InlineData(0, false)]
    [InlineData(2, false)]
    [InlineData(0, true)]
    public async Task Every_one_of_5000_busy_clients_sees_its_Close_frame_and_all_that_was_accepted_before_it(int spreadSeconds, bool isOverLoopback)
    {
        // Longer than the default, because the machine may be busy with other things. Nobody is cut, so the stop ends in this time.
        var timeout = TimeSpan.FromMinutes(5);
        var sent = new long[Count]; // by the client's path
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
                server.ClientDisconnected += (_, e) => sent[int.Parse(e.Client.Path.AsSpan(1), CultureInfo.InvariantCulture)] = e.Client.MessagesSent;
            },
            options =>
            {
                options.StopTimeout = options.CloseTimeout = options.HandshakeTimeout = timeout;
                options.PingInterval = Timeout.InfiniteTimeSpan;
                options.MaxConcurrentHandshakes = Count;
                options.MaxConcurrentHandshakesPerRemoteAddress = Count;
            });
        TaskCompletionSource begin = Async.Gate();
        var clients = new BusyClient[Count];
        for (int i = 0; i < Count; i++)
            clients[i] = isOverLoopback ? await BusyClient.ConnectAsync(server.EndPoint, i, begin.Task) : BusyClient.InMemory(server.Server, i, begin.Task);
        await Polling.UntilAsync(() => server.Clients.Count == Count || clients.Any(client => client.Ended.IsCompleted), timeout);
        Assert.DoesNotContain(clients, client => client.Ended.IsFaulted);

        begin.SetResult();
        // The host sends too, to all of them, as long as it can.
        using var stopped = new CancellationTokenSource();
        Task broadcasting = Task.Run(
            async () =>
            {
                while (!stopped.IsCancellationRequested)
                {
                    server.Clients.Broadcast("from the host");
                    await Task.Delay(1, CancellationToken.None);
                }
            },
            CancellationToken.None);
        await Polling.UntilAsync(() => clients.All(client => client.Received > 3), timeout);
        StopResult result = await server.Server.StopAsync(
            new StopOptions { Reason = "update", Spread = TimeSpan.FromSeconds(spreadSeconds) }, CancellationToken.None);
        await stopped.CancelAsync();
        await broadcasting;

        Assert.Empty(result.Cut);
        Assert.Equal(new StopResult { ClosedCleanly = Count }, result);
        BusyEnd[] ends = await Task.WhenAll(clients.Select(client => client.Ended)).WaitAsync(timeout, TestContext.Current.CancellationToken);
        Assert.All(ends, end => Assert.Equal((1001, "update"), (end.Code, end.Reason)));
        Assert.Equal(sent, ends.Select(end => end.Received));
    }

    private readonly record struct BusyEnd(int Code, string Reason, long Received);

    /// <summary>A client that sends a message, and the next one when that comes back, until the server's Close frame.</summary>
    private sealed class BusyClient
    {
        private readonly PipeReader _input;
        private readonly PipeWriter _output;
        private readonly Socket? _socket;
        private readonly int _number;
        private long _received;

        private BusyClient(PipeReader input, PipeWriter output, Socket? socket, int number, Task begin)
        {
            (_input, _output, _socket, _number) = (input, output, socket, number);
            Ended = Task.Run(() => RunAsync(begin));
        }

        public static BusyClient InMemory(WebSocketServer server, int number, Task begin)
        {
            Pipe toServer = new();
            Pipe toClient = new();
            _ = server.AcceptAsync(new FedClient.DuplexPipe(toServer.Reader, toClient.Writer));
            return new BusyClient(toClient.Reader, toServer.Writer, null, number, begin);
        }

        public static async Task<BusyClient> ConnectAsync(IPEndPoint server, int number, Task begin)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(server, TestServer.Timely);
            var stream = new NetworkStream(socket, ownsSocket: true);
            return new BusyClient(PipeReader.Create(stream), PipeWriter.Create(stream, new StreamPipeWriterOptions(leaveOpen: true)), socket, number, begin);
        }

        public Task<BusyEnd> Ended { get; }

        public long Received => Volatile.Read(ref _received);

        private async Task<BusyEnd> RunAsync(Task begin)
        {
            byte[] message = TestClient.Text("from a client");
            await _output.WriteAsync(TestClient.Request($"/{_number}"));
            bool isOpen = false;
            while (true)
            {
                ReadResult read = await _input.ReadAsync();
                ReadOnlySequence<byte> left = read.Buffer;
                bool isBusy = TakeHead(ref left, ref isOpen);
                while (isOpen && TryTakeFrame(ref left, out byte[] payload, out bool isClose))
                {
                    if (isClose)
                    {
                        await _output.WriteAsync(TestClient.Close(1001));
                        _socket?.Shutdown(SocketShutdown.Send);
                        await _output.CompleteAsync();
                        var end = new BusyEnd(BinaryPrimitives.ReadUInt16BigEndian(payload), Encoding.UTF8.GetString(payload.AsSpan(2)), _received);
                        Assert.True(left.IsEmpty, "Something followed the Close frame.");
                        await _input.CompleteAsync();
                        return end;
                    }

                    string text = Encoding.UTF8.GetString(payload);
                    if (text is not ("from the host" or "from a client"))
                        Assert.Fail($"A message that nobody sent: {text}");
                    Volatile.Write(ref _received, _received + 1);
                    isBusy |= text == "from a client";
                }

                _input.AdvanceTo(left.Start, left.End);
                if (read.IsCompleted)
                    Assert.Fail("The connection ended without a Close frame.");
                if (isBusy)
                {
                    await begin;
                    await _output.WriteAsync(message);
                }
            }
        }

        // True when the answer to the handshake has just come.
        private static bool TakeHead(ref ReadOnlySequence<byte> left, ref bool isOpen)
        {
            if (isOpen)
                return false;
            var reader = new SequenceReader<byte>(left);
            if (!reader.TryReadTo(out ReadOnlySequence<byte> head, "\r\n\r\n"u8))
                return false;
            Assert.StartsWith("HTTP/1.1 101 ", Encoding.ASCII.GetString(head), StringComparison.Ordinal);
            left = left.Slice(reader.Position);
            return isOpen = true;
        }

        // Only short frames come.
        private static bool TryTakeFrame(ref ReadOnlySequence<byte> left, out byte[] payload, out bool isClose)
        {
            (payload, isClose) = ([], false);
            var reader = new SequenceReader<byte>(left);
            if (!reader.TryRead(out byte first) || !reader.TryRead(out byte length) || reader.Remaining < length)
                return false;
            payload = left.Slice(2, length).ToArray();
            isClose = first == 0x88;
            left = left.Slice(2 + length);
            return true;
        }
    }
}
