using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving;

public sealed class HeldPayloadTests : IAsyncDisposable
{
    private readonly ConnectionStage _stage = new();
    private readonly WebSocketClient _client;

    public HeldPayloadTests() => _client = new WebSocketClient(
        1, _stage.Connection, RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);

    private long Run => _stage.Connection.Handlers.Run;

    public ValueTask DisposeAsync() => _stage.DisposeAsync();

    [Fact]
    public async Task On_the_thread_of_the_event_it_costs_nothing_and_checks_the_message()
    {
        List<string> seen = [];
        long first = 0;
        _stage.Connection.OnMessage = () =>
        {
            first = first == 0 ? Run : first;
            using HeldPayload payload = new(_client, Run);
            seen.Add(System.Text.Encoding.UTF8.GetString(payload.Span));
            if (Run != first)
                seen.Add(Record.Exception(() => new HeldPayload(_client, first).Dispose())!.GetType().Name);
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await _stage.Transport.WhenIdle;
        Assert.Equal(["1", "2", nameof(InvalidOperationException)], seen);
    }

    [Fact]
    public async Task Elsewhere_the_payload_stays_while_it_is_held_although_a_handler_lets_the_next_message_come()
    {
        using ManualResetEventSlim held = new(), release = new();
        string? seen = null;
        Task? holding = null;
        _stage.Connection.OnMessage = async () =>
        {
            if (holding is not null)
                return;
            long run = Run;
            holding = Task.Run(() =>
            {
                using HeldPayload payload = new(_client, run);
                held.Set();
                release.Wait(TestContext.Current.CancellationToken);
                seen = System.Text.Encoding.UTF8.GetString(payload.Span);
            });
            await Task.Run(held.Wait);
            _client.ContinueReceiving(run);
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await _stage.Connection.Called("Message 1");
        Assert.False(_stage.Connection.WasCalled("Message 2"));
        release.Set();
        await _stage.Connection.Called("Message 2");
        await holding!.InTime();
        Assert.Equal("1", seen);
    }

    [Fact]
    public async Task Whoever_asks_for_it_while_a_handler_lets_the_next_message_come_gets_it_or_holds_up_nothing()
    {
        const int Messages = 300;
        _stage.Connection.OnMessage = async () =>
        {
            long run = Run;
            using var asked = new SemaphoreSlim(0);
            Task asking = Task.Run(() =>
            {
                while (Record.Exception(() => new HeldPayload(_client, run).Dispose()) is null)
                    asked.Release();
            });
            await asked.WaitAsync(TestContext.Current.CancellationToken);
            _client.ContinueReceiving(run);
            await asking;
        };
        await _stage.OpenAsync();
        for (int i = 0; i < Messages; i++)
        {
            _stage.Transport.Receive(Frames.Text($"{i}"));
            await _stage.Connection.Called($"Message {i}");
        }

        _stage.Transport.Receive(Frames.Text("last"));
        await _stage.Connection.Called("Message last");
    }

    [Fact]
    public async Task After_the_handlers_have_ended_there_is_none()
    {
        long run = 0;
        _stage.Connection.OnMessage = () => run = Run;
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("1"));
        await _stage.Transport.WhenIdle;
        Assert.Throws<InvalidOperationException>(() => new HeldPayload(_client, run).Dispose());
    }
}
