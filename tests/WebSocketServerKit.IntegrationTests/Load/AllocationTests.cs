using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Text.Json.Serialization;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Load;

[CollectionDefinition(nameof(MeasuresTheWholeProcess), DisableParallelization = true)]
public class MeasuresTheWholeProcess;

[Collection(nameof(MeasuresTheWholeProcess))]
public partial class AllocationTests
{
    private const int Messages = 20_000;

    public enum Answer
    {
        Payload,
        Message,
        AwaitedMessage,
        Json,
    }

    [Theory]
    [InlineData(Answer.Payload, false, 16, 100)]
    [InlineData(Answer.Payload, true, 16, 100)]
    [InlineData(Answer.Payload, false, 1_000, 10)] // so few that a socket takes the whole answer at once: to wait for the peer costs an object
    [InlineData(Answer.Message, true, 16, 100)]
    [InlineData(Answer.AwaitedMessage, true, 1_000, 10)]
    [InlineData(Answer.Json, true, 16, 100)]
    public async Task A_message_from_the_socket_through_a_handler_and_back_allocates_nothing(Answer answer, bool text, int size, int inFlight)
    {
        Assert.SkipWhen(
            typeof(WebSocketServer).Assembly.GetCustomAttribute<System.Diagnostics.DebuggableAttribute>()?.IsJITOptimizerDisabled == true,
            "Only a Release build allocates nothing: async state machines are classes in Debug.");
        var meter = new ThreadMeter();
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += async (_, e) =>
        {
            meter.Read();
            switch (answer)
            {
                case Answer.Payload:
                    e.Client.TrySend(e.Payload, e.MessageType);
                    break;
                case Answer.Message:
                    e.Client.TrySend(e);
                    break;
                case Answer.AwaitedMessage:
                    await e.Client.SendAsync(e);
                    break;
                case Answer.Json:
                    e.Client.TrySendJson(e.ReadJson(NumberJson.Default.Int64), NumberJson.Default.Int64);
                    break;
            }
        });
        using Socket client = Open(server.EndPoint);
        byte[] burst = [.. Enumerable.Range(0, inFlight).SelectMany(_ => TestClient.Frame(text ? Opcode.Text : Opcode.Binary, Enumerable.Repeat((byte)'1', size).ToArray()))];
        byte[] buffer = new byte[burst.Length];
        int reply = burst.Length - inFlight * 4; // no masking keys

        Exchange(client, burst, buffer, reply, Messages / inFlight); // warms up
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 10 && least >= Messages / 100; attempt++)
        {
            long before = meter.Allocated;
            Exchange(client, burst, buffer, reply, Messages / inFlight);
            least = Math.Min(least, meter.Allocated - before);
        }

        Assert.InRange(meter.Intervals, Messages / 2, long.MaxValue);
        // The thread pool may do something else in between that allocates a little. One object per message would be 24 bytes at least.
        Assert.True(least < Messages, $"{least} bytes for {Messages} messages");
    }

    private static Socket Open(IPEndPoint endPoint)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 30_000, SendTimeout = 30_000 };
        client.Connect(endPoint);
        client.Send(TestClient.Request());
        byte[] answer = new byte[1];
        ReadOnlySpan<byte> end = "\r\n\r\n"u8;
        for (int matched = 0; matched < end.Length;)
        {
            Assert.Equal(1, client.Receive(answer));
            matched = answer[0] == end[matched] ? matched + 1 : answer[0] == end[0] ? 1 : 0;
        }

        return client;
    }

    private static void Exchange(Socket client, byte[] burst, byte[] buffer, int reply, int times)
    {
        for (int i = 0; i < times; i++)
        {
            client.Send(burst);
            for (int got = 0; got < reply;)
            {
                int count = client.Receive(buffer, 0, reply - got, SocketFlags.None);
                if (count == 0)
                    throw new IOException("The server ended the connection.");
                got += count;
            }
        }
    }

    /// <summary>
    /// Adds up what a thread has allocated from one message to the next, where both were handled on the same thread. What other threads allocate does not disturb it,
    /// such as those of the pool that come to this work for the first time.
    /// </summary>
    private sealed class ThreadMeter
    {
        private long _allocated;
        private int _thread;
        private long _before;

        public long Allocated => Volatile.Read(ref _allocated);

        public long Intervals { get; private set; }

        public void Read()
        {
            int thread = Environment.CurrentManagedThreadId;
            long now = GC.GetAllocatedBytesForCurrentThread();
            if (thread == _thread)
            {
                Volatile.Write(ref _allocated, _allocated + now - _before);
                Intervals++;
            }

            (_thread, _before) = (thread, now);
        }
    }

    [JsonSerializable(typeof(long))]
    internal sealed partial class NumberJson : JsonSerializerContext;
}
