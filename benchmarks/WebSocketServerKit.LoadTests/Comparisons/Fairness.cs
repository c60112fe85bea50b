using System.CommandLine;
using System.Diagnostics;
using System.Net.Sockets;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>Some clients send more than the server can work on. How long do others wait meanwhile, who connect, or have a little echoed?</summary>
internal sealed class Fairness : IDisposable
{
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ServerProcess _server;
    private readonly Epoll _epoll = new();
    private readonly Waits _connects = new(Patience);
    private readonly Waits _echoes = new(Patience);
    private readonly List<Visitor> _visitors = [];
    private readonly Caller _caller;
    private readonly Flooder[] _flooders;

    private Fairness(ServerProcess server, Message flood, int flooders, TimeSpan work)
    {
        _server = server;
        _caller = new Caller(this);
        string path = Work.PathFor(work);
        _flooders = [.. Enumerable.Range(0, flooders).Select(_ => new Flooder(server.Port, path, _epoll, flood))];
    }

    public static Command Command()
    {
        Option<int?> flooders = new("--flooders") { Description = "Clients that send as fast as the server takes it; with this or one of the next two, the one row that they describe is measured (64)" };
        Option<int?> size = new("--size") { Description = "Bytes of each of their messages (64)" };
        Option<double?> work = new("--handler-ms") { Description = "Processor time that the handler takes for each of their messages, in milliseconds (1)" };
        ComparisonOptions options = new(runs: 3, seconds: 10, warmUp: null, contenders: [Contender.Ours, Contender.OursLoop, Contender.Kestrel]);
        Command command = new("fairness", "Some clients send more than the server can work on: how long do others wait meanwhile?") { flooders, size, work };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction((arguments, _) =>
        {
            bool any = arguments.GetValue(flooders) is not null || arguments.GetValue(size) is not null || arguments.GetValue(work) is not null;
            Row[] rows = any
                ? [Row(arguments.GetValue(flooders) ?? 64, arguments.GetValue(size) ?? 64, arguments.GetValue(work) ?? 1)]
                : [Row(64, 64, 1), Row(64, 64, 0), Row(200, 0, 0)];
            // A server goes on for long with what it was sent.
            Comparison comparison = options.Read(arguments) with { Service = Service.Work, FreshServers = true };
            return comparison.RunAsync("fairness", rows);
        });
        return command;
    }

    public void Dispose()
    {
        foreach (Flooder flooder in _flooders)
            flooder.Dispose();
        foreach (Visitor visitor in _visitors)
            visitor.Dispose();
        _caller.Dispose();
        _epoll.Dispose();
    }

    private static Row Row(int flooders, int size, double milliseconds)
    {
        Message flood = Flooder.Message(size);
        string messages = size == 0 ? "empty messages" : $"{size:N0} B";
        return new Row($"{flooders} flooders, {messages}, handler {milliseconds:0.###} ms", (server, time) =>
        {
            WarmUp(server);
            using Fairness fairness = new(server, flood, flooders, TimeSpan.FromMilliseconds(milliseconds));
            return fairness.Measure(time);
        });
    }

    // Code is loaded and compiled by those who come before.
    private static void WarmUp(ServerProcess server)
    {
        byte[] buffer = new byte[Caller.Message.Payload.Length + 2];
        for (int i = 0; i < 200; i++)
        {
            using Socket socket = Handshake.Open(server.Port);
            socket.Blocking = true;
            socket.Send(Caller.Message.Frames(1).Span);
            socket.Receive(buffer);
            socket.Send(Visitor.Close);
        }

        Thread.Sleep(500);
    }

    private IReadOnlyList<Figure> Measure(TimeSpan time)
    {
        TimeSpan serverTime = _server.ProcessorTime;
        TimeSpan loadTime = Environment.CpuUsage.TotalTime;
        foreach (Flooder flooder in _flooders)
            flooder.Begin();

        long start = Stopwatch.GetTimestamp();
        TimeSpan next = Settling, end = Settling + time;
        // The flood goes on until the last of those who came in time has been served, or has left.
        while (Stopwatch.GetElapsedTime(start) is var now && (now < end || !_connects.IsIdle || !_echoes.IsIdle))
        {
            // They come at their pace, whether or not those before them have been served.
            if (now >= next && now < end)
            {
                _visitors.Add(new Visitor(this));
                _caller.Call();
                next += Interval;
            }

            _epoll.Pump(milliseconds: 5);
            _connects.Expire();
            _echoes.Expire();
        }

        double worked = _server.GetWorkDone();
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        return
        [
            .. _connects.Figures("connect"),
            .. _echoes.Figures("echo"),
            new("cut", _flooders.Count(flooder => flooder.IsCut) + (_caller.IsCut ? 1 : 0), Highest: true),
            new("msg/s", worked / elapsed.TotalSeconds),
            new("server core %", (_server.ProcessorTime - serverTime) / elapsed * 100),
            new("load core %", (Environment.CpuUsage.TotalTime - loadTime) / elapsed * 100),
        ];
    }

    /// <summary>Connects, gets the handshake done, and leaves.</summary>
    private sealed class Visitor : IReady, IDisposable
    {
        public static readonly byte[] Close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];

        private readonly Fairness _load;
        private readonly Waits.Wait _wait;
        private readonly Socket _socket;
        private readonly int _key;
        private readonly byte[] _answer = new byte[1024];
        private int _length;

        public Visitor(Fairness load)
        {
            _load = load;
            _wait = load._connects.Begin(failed: Dispose);
            _socket = Handshake.BeginConnect(load._server.Port);
            _key = load._epoll.Register(this);
            load._epoll.Watch(_socket, _key);
            load._epoll.Watch(_socket, _key, writing: true);
        }

        public void OnReady(bool readable, bool writable)
        {
            if (writable)
            {
                // Errors are found by reading.
                _socket.Send(Handshake.Request, SocketFlags.None, out _);
                _load._epoll.Watch(_socket, _key, writing: false);
            }

            if (readable)
                Receive();
        }

        public void Dispose() => _socket.Dispose();

        private void Receive()
        {
            int count = _socket.Receive(_answer.AsSpan(_length), SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
                return;
            _length += count;
            if (count == 0 || !_answer.AsSpan(0, _length).StartsWith("HTTP/1.1 101"u8[..Math.Min(_length, 12)]))
            {
                _wait.Fail();
            }
            else if (Handshake.IsDone(_answer.AsSpan(0, _length)))
            {
                _wait.End();
                _socket.Send(Close, SocketFlags.None, out _);
                Dispose();
            }
        }
    }

    /// <summary>Keeps one connection and has a message echoed now and then.</summary>
    private sealed class Caller : IReady, IDisposable
    {
        public static readonly Message Message = new(size: 64, text: false, atOnce: 1);

        private readonly Fairness _load;
        private readonly Socket _socket;
        private readonly Repetition _dialogue = new(Message);
        private readonly Queue<Waits.Wait> _underWay = new();
        private readonly byte[] _buffer = new byte[4 * 1024];

        public Caller(Fairness load)
        {
            _load = load;
            _socket = Handshake.Open(load._server.Port);
            load._epoll.Watch(_socket, load._epoll.Register(this));
        }

        /// <summary>Whether the server has ended the connection.</summary>
        public bool IsCut { get; private set; }

        public void Call()
        {
            Waits.Wait wait = _load._echoes.Begin();
            if (IsCut)
            {
                wait.Fail();
                return;
            }

            _underWay.Enqueue(wait);
            // So few bytes always find room; errors are found by reading.
            _socket.Send(Message.Frames(1).Span, SocketFlags.None, out _);
        }

        public void OnReady(bool readable, bool writable)
        {
            int count = _socket.Receive(_buffer, SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
                return;
            for (int messages = _dialogue.Read(_buffer.AsSpan(0, count)); messages > 0; messages--)
                _underWay.Dequeue().End();
            if (count > 0)
                return;
            IsCut = true;
            Dispose();
            while (_underWay.TryDequeue(out Waits.Wait? wait))
                wait.Fail();
        }

        public void Dispose() => _socket.Dispose();
    }
}
