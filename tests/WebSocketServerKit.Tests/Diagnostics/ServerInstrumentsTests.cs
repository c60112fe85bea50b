using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Diagnostics;

public sealed class ServerInstrumentsTests : IDisposable
{
    private readonly Instruments _listener = new();
    private readonly ServerInstruments _instruments;

    public ServerInstrumentsTests() => _instruments = ServerInstruments.Of(_listener);

    public void Dispose() => _listener.Dispose();

    [Fact]
    public void The_figures_of_a_server_are_read_with_their_units_and_directions()
    {
        Figures figures = new();
        _instruments.Add(figures, name: null);
        Assert.Equal(["3"], _listener.Read("websocket.server.clients"));
        Assert.Equal(["2"], _listener.Read("websocket.server.handshakes.active"));
        Assert.Equal(["1"], _listener.Read("websocket.server.clients.slow"));
        Assert.Equal(["400"], _listener.Read("websocket.server.send_queues.size"));
        Assert.Equal(["500"], _listener.Read("websocket.server.memory.usage"));
        Assert.Equal(["600"], _listener.Read("websocket.server.memory.limit"));
        Assert.Equal(["7"], _listener.Read("websocket.server.messages.dropped"));
        Assert.Equal(["8"], _listener.Read("websocket.server.messages.replaced"));
        Assert.Equal(["11 network.io.direction=receive", "14 network.io.direction=transmit"], _listener.Read("websocket.server.messages"));
        Assert.Equal(["12 network.io.direction=receive", "15 network.io.direction=transmit"], _listener.Read("websocket.server.messages.payload"));
        Assert.Equal(["13 network.io.direction=receive", "16 network.io.direction=transmit"], _listener.Read("websocket.server.io"));
        Assert.Equal(
            [
                "websocket.server.clients {client}", "websocket.server.clients.slow {client}", "websocket.server.handshakes.active {handshake}", "websocket.server.io By",
                "websocket.server.memory.limit By", "websocket.server.memory.usage By", "websocket.server.messages {message}", "websocket.server.messages.dropped {message}",
                "websocket.server.messages.payload By", "websocket.server.messages.replaced {message}", "websocket.server.send_queues.size By",
            ],
            _listener.Names.Order(StringComparer.Ordinal),
            StringComparer.Ordinal);
        figures.BufferedBytesLimit = null;
        Assert.Empty(_listener.Read("websocket.server.memory.limit"));
        GC.KeepAlive(figures);
    }

    [Fact]
    public void Servers_with_names_are_told_apart_and_those_with_the_same_name_are_one()
    {
        Figures chat = new(), other = new() { ClientCount = 10 }, game = new() { ClientCount = 100 };
        _instruments.Add(chat, "chat");
        _instruments.Add(other, "chat");
        _instruments.Add(game, "game");
        Assert.Equal(["13 websocket.server.name=chat", "100 websocket.server.name=game"], _listener.Read("websocket.server.clients"));
        Assert.Equal(["14 websocket.server.name=chat", "7 websocket.server.name=game"], _listener.Read("websocket.server.messages.dropped"));
        Assert.Equal(22, _listener.ReadValue("websocket.server.messages", "direction=receive websocket.server.name=chat"));
        GC.KeepAlive((chat, other, game));
    }

    [Fact]
    public void Of_a_server_that_has_ended_the_totals_stay_and_a_new_one_of_its_name_adds_to_them()
    {
        Figures first = new(), second = new();
        _instruments.Add(first, "chat");
        first.Traffic = new(100, 0, 0, 0, 0, 0); // nobody has read that when it ends
        _instruments.Remove(first);
        _instruments.Remove(first);
        first.Traffic = new(1_000, 0, 0, 0, 0, 0);
        Assert.Empty(_listener.Read("websocket.server.clients"));
        Assert.Equal(100, _listener.ReadValue("websocket.server.messages", "receive"));
        _instruments.Add(second, "chat");
        Assert.Equal(111, _listener.ReadValue("websocket.server.messages", "receive"));
        GC.KeepAlive(second);
    }

    [Fact]
    public async Task A_server_that_nobody_uses_any_more_is_not_kept_alive_and_its_totals_stay()
    {
        WeakReference server = AddForgotten();
        Assert.Equal(11, _listener.ReadValue("websocket.server.messages", "receive"));
        await Polling.UntilAsync(() =>
        {
            GC.Collect();
            return !server.IsAlive;
        });
        Assert.Equal(11, _listener.ReadValue("websocket.server.messages", "receive"));
        Assert.Empty(_listener.Read("websocket.server.clients"));
    }

    [Fact]
    public void A_meter_has_its_instruments_once_however_many_servers_use_it()
    {
        Instruments other = new();
        Assert.NotSame(_instruments, ServerInstruments.Of(other));
        other.Dispose();
        Assert.Same(ServerInstruments.Of(null), ServerInstruments.Of(null));
        using OneMeter factory = new();
        Assert.Same(ServerInstruments.Of(factory), ServerInstruments.Of(factory));
    }

    [Fact]
    public void Without_a_factory_the_meter_is_one_of_the_process()
    {
        string name = Guid.NewGuid().ToString();
        List<string> read = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter is { Name: "WebSocketServerKit", Scope: null } && instrument.Name == "websocket.server.clients")
                listener.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => read.AddRange(tags.ToArray().Select(tag => (string)tag.Value!)));
        listener.Start();
        Figures figures = new();
        ServerInstruments.Of(null).Add(figures, name);
        listener.RecordObservableInstruments();
        Assert.Contains(name, read, StringComparer.Ordinal);
        ServerInstruments.Of(null).Remove(figures);
        read.Clear();
        listener.RecordObservableInstruments();
        Assert.DoesNotContain(name, read, StringComparer.Ordinal);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference AddForgotten()
    {
        Figures figures = new();
        _instruments.Add(figures, "chat");
        _listener.Read("websocket.server.clients");
        return new WeakReference(figures);
    }

    private sealed class OneMeter : IMeterFactory
    {
        private readonly Meter _meter = new("WebSocketServerKit", null, null, new object());

        public Meter Create(MeterOptions options) => _meter;

        public void Dispose() => _meter.Dispose();
    }
}
