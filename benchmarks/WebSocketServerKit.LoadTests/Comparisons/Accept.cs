using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using WebSocketServerKit.LoadTests.Client;
using WebSocketServerKit.LoadTests.Measuring;
using WebSocketServerKit.LoadTests.Servers;

namespace WebSocketServerKit.LoadTests.Comparisons;

/// <summary>Some clients at once connect, get the handshake done, and close again with a Close frame each way; and once more, without a pause.</summary>
internal sealed class Accept : Load
{
    private readonly Visitor[] _visitors;
    private int _underWay;

    private Accept(ServerProcess server, int clients)
        : base(server) => _visitors = [.. Enumerable.Range(0, clients).Select(i => new Visitor(this, i))];

    protected override bool IsIdle => _underWay == 0;

    public static Command Command()
    {
        Option<int> clients = new("--clients") { Description = "Clients at once", DefaultValueFactory = _ => 64 };
        ComparisonOptions options = new(tls: true);
        Command command = new("accept", "Connect, upgrade, close, again and again: how many handshakes, at what cost? The latency is that of such a visit.") { clients };
        foreach (Option option in options.All)
            command.Options.Add(option);
        command.SetAction((arguments, _) =>
        {
            int count = arguments.GetValue(clients);
            return options.Read(arguments).RunAsync("accept", new Row($"{count} clients at once", (server, time) =>
            {
                using Accept accept = new(server, count);
                return accept.Measure(time, "handshake");
            }));
        });
        return command;
    }

    protected override void Begin()
    {
        foreach (Visitor visitor in _visitors)
        {
            _underWay++;
            visitor.Come();
        }
    }

    public override void Dispose()
    {
        foreach (Visitor visitor in _visitors)
            visitor.Dispose();
        base.Dispose();
    }

    private sealed class Visitor(Accept load, int number) : IReady, IDisposable
    {
        private static readonly byte[] Close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8];

        private readonly byte[] _answer = new byte[1024];
        private int _key = -1;
        private ClientTransport? _transport;
        private int _length;
        private bool _closing;
        private long _began;

        public void Come()
        {
            (_length, _closing, _began) = (0, false, Stopwatch.GetTimestamp());
            // So many clients come and go that the ports of one address would run out.
            _transport = Handshake.Begin(load.Server, new IPAddress([127, 0, 1, (byte)(1 + number % 250)]));
            if (_key < 0)
                _key = load.Epoll.Register(this);
            load.Epoll.Watch(_transport.Socket, _key);
        }

        public void OnReady(bool readable, bool writable)
        {
            int count = _transport!.Receive(_answer.AsSpan(_length), out SocketError error);
            if (error == SocketError.WouldBlock)
                return;
            if (count == 0 && (!_closing || error != SocketError.Success))
                throw new IOException($"The server ended the connection ({error}).");
            if (count == 0)
            {
                Leave();
                return;
            }

            _length += count;
            if (_closing || !Handshake.IsDone(_answer.AsSpan(0, _length)))
                return;
            _closing = true;
            _transport.Send(Close, out _); // errors are found by reading
        }

        public void Dispose() => _transport?.Dispose();

        private void Leave()
        {
            if (_length < 4 || !_answer.AsSpan(_length - 4, 4).SequenceEqual((ReadOnlySpan<byte>)[0x88, 0x02, 0x03, 0xE8]))
                throw new InvalidDataException("The server did not answer the Close frame.");
            _transport!.Dispose();
            load.Done++;
            load.Latency.RecordValue((long)Stopwatch.GetElapsedTime(_began).TotalNanoseconds);
            if (load.IsEnding)
                load._underWay--;
            else
                Come();
        }
    }
}
