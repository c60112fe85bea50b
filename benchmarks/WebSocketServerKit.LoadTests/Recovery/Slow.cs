using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using HdrHistogram;
using WebSocketServerKit.LoadTests.Client;

namespace WebSocketServerKit.LoadTests.Recovery;

/// <summary>
/// Many keys are updated and broadcast. Some clients never read, some read slowly: do the others get every update, as fast as without them, and does what waits for the slow ones stay bounded?
/// </summary>
internal static class Slow
{
    private const int TicksPerSecond = 50;
    private const int SlowBytesPerTick = 10_000 / TicksPerSecond;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static async Task<int> RunAsync(int clients, int updatesPerSecond, int seconds, WebSocketTransport transport)
    {
        int deaf = clients / 10, slow = clients / 10, quick = clients - deaf - slow;
        int perTick = Math.Max(1, updatesPerSecond / TicksPerSecond);
        Console.WriteLine($"{quick} clients read at once; {SlowServer.Keys} keys, {perTick * TicksPerSecond} updates of {SlowServer.PayloadSize} bytes per second, {seconds} s");
        Outcome without = await RoundAsync(quick, 0, 0, perTick, seconds, transport);
        Console.WriteLine($"without slow clients: {without}");
        Outcome with = await RoundAsync(quick, slow, deaf, perTick, seconds, transport);
        Console.WriteLine($"with {slow} that read 10 KB/s and {deaf} that never read: {with}");
        long bound = 4L * SlowServer.QueueLimit * (slow + deaf);
        double ratio = with.P99 / without.P99;
        bool isBounded = with.Report.BufferedBytes <= bound && with.Report.MostUnsent <= SlowServer.QueueLimit;
        Console.WriteLine($"every update reached those who read: {without.IsComplete && with.IsComplete}");
        Console.WriteLine($"the slow ones ended with the newest value of each key: {with.IsNewest}");
        Console.WriteLine($"p99 with slow clients, compared with without: {ratio:F2}");
        Console.WriteLine($"memory for all clients {with.Report.BufferedBytes / 1024:N0} KiB, bound {bound / 1024:N0} KiB; most that waits for one {with.Report.MostUnsent / 1024:N0} KiB, limit {SlowServer.QueueLimit / 1024} KiB: {isBounded}");
        return without.IsComplete && with.IsComplete && with.IsNewest && isBounded ? 0 : 1;
    }

    private static async Task<Outcome> RoundAsync(int quick, int slow, int deaf, int perTick, int seconds, WebSocketTransport transport)
    {
        using SlowServer server = await SlowServer.StartAsync(transport);
        using Epoll epoll = new();
        LongHistogram latency = new(TimeStamp.Minutes(1), 3);
        List<Reader> readers = [], slowReaders = [], all = [];
        for (int i = 0; i < quick + slow + deaf; i++)
        {
            var reader = new Reader(server.Port, latency, receiveBuffer: i < quick ? null : 4096);
            all.Add(reader);
            if (i < quick)
            {
                readers.Add(reader);
                epoll.Watch(reader.Socket, epoll.Register(reader));
            }
            else if (i < quick + slow)
            {
                slowReaders.Add(reader);
            }
        }

        using Socket driver = Connect(server.Port, null);
        byte[] tick = Tick(perTick);
        // Compiled code first.
        long start = Stopwatch.GetTimestamp(), sent = 0;
        byte[] own = new byte[64 * 1024];
        void Pump(bool readAll)
        {
            epoll.Pump(1);
            while (driver.Available > 0)
                driver.Receive(own); // the driver is a client too
            if (!readAll)
                return;
            foreach (Reader reader in all)
                reader.OnReady(readable: true, writable: false);
        }

        SlowReport atEnd = await server.ReportAsync();
        int ticks = seconds * TicksPerSecond;
        for (int i = 0; i < ticks; i++)
        {
            if (i == TicksPerSecond)
                latency.Reset(); // the first second compiles
            driver.Send(tick);
            sent += perTick;
            foreach (Reader reader in slowReaders)
                reader.Read(SlowBytesPerTick);
            do
                Pump(readAll: false);
            while (Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds((i + 1.0) / TicksPerSecond));
        }

        double late = Stopwatch.GetElapsedTime(start).TotalSeconds - seconds;
        long end = Stopwatch.GetTimestamp();
        while (readers.Exists(reader => reader.Count < sent) && Stopwatch.GetElapsedTime(end) < Patience)
            Pump(readAll: false);
        double p99 = latency.GetValueAtPercentile(99) / 1e6;
        atEnd = await server.ReportAsync();
        bool isComplete = readers.TrueForAll(reader => reader.Count == sent);
        end = Stopwatch.GetTimestamp();
        while (!all.TrueForAll(reader => reader.HasNewest(sent)) && Stopwatch.GetElapsedTime(end) < Patience)
            Pump(readAll: true);
        bool isNewest = all.TrueForAll(reader => reader.HasNewest(sent));
        foreach (Reader reader in all)
            reader.Dispose();
        return new Outcome(isComplete, isNewest, p99, late, atEnd);
    }

    private static byte[] Tick(int updates)
    {
        byte[] frame = new byte[10];
        (frame[0], frame[1]) = (0x82, 0x84);
        BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(6), updates); // masked with zeros
        return frame;
    }

    private static Socket Connect(int port, int? receiveBuffer)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBuffer is { } size)
            socket.ReceiveBufferSize = size;
        socket.Connect(IPAddress.Loopback, port);
        socket.Send(Handshake.Request);
        List<byte> head = [];
        byte[] one = new byte[1];
        while (head.Count < 4 || !head[^4..].SequenceEqual("\r\n\r\n"u8.ToArray()))
        {
            if (socket.Receive(one) == 0)
                throw new IOException("The handshake was refused.");
            head.Add(one[0]);
        }

        return socket;
    }

    private sealed record Outcome(bool IsComplete, bool IsNewest, double P99, double LateSeconds, SlowReport Report)
    {
        public override string ToString() =>
            $"p99 {P99:F2} ms, {Report.Replaced:N0} replaced, {Report.Dropped:N0} dropped, {Report.Slow} slow at the end, {Report.BufferedBytes / 1024:N0} KiB for all clients, "
            + $"{Report.ResidentBytes / 1024 / 1024} MiB resident" + (LateSeconds > 0.1 ? $"; the load came {LateSeconds:F1} s late: the machine cannot" : "");
    }

    // All messages have the same length, so where one begins needs no parser.
    private sealed class Reader(int port, LongHistogram latency, int? receiveBuffer) : IReady, IDisposable
    {
        private static readonly byte[] Buffer = new byte[256 * 1024];

        private readonly byte[] _part = new byte[SlowServer.FrameSize];
        private readonly long[] _newest = [.. Enumerable.Repeat(-1L, SlowServer.Keys)];
        private int _partLength;

        public Socket Socket { get; } = Connect(port, receiveBuffer);

        public long Count { get; private set; }

        public bool HasNewest(long sent)
        {
            for (int key = 0; key < Math.Min(SlowServer.Keys, sent); key++)
            {
                long last = sent - 1 - ((sent - 1 - key) % SlowServer.Keys);
                if (_newest[key] != last)
                    return false;
            }

            return true;
        }

        public void OnReady(bool readable, bool writable) => Read(Buffer.Length);

        public void Read(int most)
        {
            if (Socket.Available == 0)
                return;
            int count = Socket.Receive(Buffer.AsSpan(0, most));
            long now = Stopwatch.GetTimestamp();
            ReadOnlySpan<byte> bytes = Buffer.AsSpan(0, count);
            while (!bytes.IsEmpty)
            {
                int take = Math.Min(bytes.Length, SlowServer.FrameSize - _partLength);
                bytes[..take].CopyTo(_part.AsSpan(_partLength));
                bytes = bytes[take..];
                _partLength += take;
                if (_partLength == SlowServer.FrameSize)
                    Take(now);
            }
        }

        public void Dispose() => Socket.Dispose();

        private void Take(long now)
        {
            _partLength = 0;
            if (_part[0] != 0x82 || _part[1] != SlowServer.PayloadSize)
                throw new InvalidDataException("Something else than an update has come.");
            long number = BinaryPrimitives.ReadInt64LittleEndian(_part.AsSpan(2));
            ref long newest = ref _newest[number % SlowServer.Keys];
            if (number <= newest)
                throw new InvalidDataException($"The update {number} came after {newest} of the same key.");
            newest = number;
            Count++;
            if (receiveBuffer is null)
                latency.RecordValue((long)Stopwatch.GetElapsedTime(BinaryPrimitives.ReadInt64LittleEndian(_part.AsSpan(10)), now).TotalNanoseconds);
        }
    }
}
