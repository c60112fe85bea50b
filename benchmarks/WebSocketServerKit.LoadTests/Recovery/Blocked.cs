using System.Diagnostics;
using System.Net.Sockets;
using HdrHistogram;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Recovery;

/// <summary>
/// The handlers of one or more clients sleep. Meanwhile the other clients send messages at a fixed rate: how long do they wait for the answers? With event loops, all clients are on one loop.
/// </summary>
internal static class Blocked
{
    private const double MostP99Milliseconds = 50;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(5); // compiles
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static async Task<int> RunAsync(int clients, int rate, int sleepers, int seconds)
    {
        Console.WriteLine($"{clients} clients send {rate} messages per second each; the handlers of {sleepers} more sleep for {seconds} s. {Machine.Describe().Processor}");
        bool isFast = true;
        foreach ((string name, WebSocketTransport transport) in new[] { (Contender.Ours.Name, WebSocketTransport.Sockets), (Contender.OursLoop.Name, WebSocketTransport.EventLoop) })
        {
            using EchoChild server = await EchoChild.StartAsync(transport, loops: 1);
            using Epoll epoll = new();
            Message message = new(size: 64, text: false, atOnce: 1);
            Caller[] callers = [.. Enumerable.Range(0, clients).Select(_ => new Caller(server.Port, epoll, message))];
            LoadClient[] blocking = [.. Enumerable.Range(0, sleepers).Select(_ => new LoadClient())];
            foreach (LoadClient client in blocking)
                await client.ConnectAsync(server.Port);

            Load(callers, epoll, rate, WarmUp);
            LongHistogram before = Load(callers, epoll, rate, TimeSpan.FromSeconds(seconds));
            Print($"{name}, before", before);

            long start = Stopwatch.GetTimestamp();
            Task sleeping = Task.WhenAll(blocking.Select(client => client.SleepAsync(TimeSpan.FromSeconds(seconds))));
            LongHistogram during = Load(callers, epoll, rate, TimeSpan.FromSeconds(seconds));
            Print($"{name}, meanwhile", during);
            await sleeping;
            if (Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(seconds))
                throw new InvalidDataException("The handler did not sleep.");
            isFast &= P99(during) <= MostP99Milliseconds;
            foreach (Caller caller in callers)
                caller.Dispose();
            foreach (LoadClient client in blocking)
                client.Dispose();
        }

        Console.WriteLine($"every message was answered, and p99 is at most {MostP99Milliseconds} ms while handlers sleep: {isFast}");
        return isFast ? 0 : 1;
    }

    // They send at their pace, whether or not those before have been answered. A wait begins when the message is due.
    private static LongHistogram Load(Caller[] callers, Epoll epoll, int rate, TimeSpan time)
    {
        LongHistogram waits = new(TimeStamp.Minutes(1), 3);
        double interval = (double)Stopwatch.Frequency / rate / callers.Length;
        long start = Stopwatch.GetTimestamp(), total = (long)(time.TotalSeconds * rate * callers.Length), sent = 0;
        while (sent < total || !Array.TrueForAll(callers, caller => caller.IsAnswered))
        {
            long now = Stopwatch.GetTimestamp();
            for (long due; sent < total && (due = start + (long)(sent * interval)) <= now; sent++)
                callers[sent % callers.Length].Send(due, waits);
            epoll.Pump(milliseconds: 1);
            if (Stopwatch.GetElapsedTime(start) > time + Patience)
                throw new TimeoutException("Not every message was answered.");
        }

        return waits;
    }

    private static double P99(LongHistogram waits) => waits.GetValueAtPercentile(99) / 1e6;

    private static void Print(string when, LongHistogram waits) => Console.WriteLine(
        $"{when,-20} {waits.TotalCount,8:N0} messages, p50 {waits.GetValueAtPercentile(50) / 1e6:F2} ms, p99 {P99(waits):F2} ms, worst {waits.GetMaxValue() / 1e6:F2} ms");

    private sealed class Caller : IReady, IDisposable
    {
        private static readonly byte[] Buffer = new byte[4 * 1024];

        private readonly Socket _socket;
        private readonly Message _message;
        private readonly Repetition _answers;
        private readonly Queue<long> _due = new(); // of the messages that are not answered yet
        private LongHistogram _waits = null!;

        public Caller(int port, Epoll epoll, Message message)
        {
            _socket = Handshake.Open(port);
            _message = message;
            _answers = new Repetition(message);
            epoll.Watch(_socket, epoll.Register(this));
        }

        public bool IsAnswered => _due.Count == 0;

        public void Send(long due, LongHistogram waits)
        {
            _waits = waits;
            _due.Enqueue(due);
            _socket.Send(_message.Frames(1).Span); // so few bytes find room
        }

        public void OnReady(bool readable, bool writable)
        {
            int count = _socket.Receive(Buffer);
            if (count == 0)
                throw new IOException("The server has ended a connection.");
            for (int answers = _answers.Read(Buffer.AsSpan(0, count)); answers > 0; answers--)
                _waits.RecordValue((long)Stopwatch.GetElapsedTime(_due.Dequeue()).TotalNanoseconds);
        }

        public void Dispose() => _socket.Dispose();
    }
}
