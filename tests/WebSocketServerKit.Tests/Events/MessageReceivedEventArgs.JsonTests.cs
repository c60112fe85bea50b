using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Events;

public sealed partial class MessageReceivedEventArgsJsonTests : IAsyncDisposable
{
    private readonly ConnectionStage _stage = new();
    private readonly WebSocketClient _client;

    public MessageReceivedEventArgsJsonTests() => _client = new WebSocketClient(
        1, _stage.Connection, RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);

    public ValueTask DisposeAsync() => _stage.DisposeAsync();

    private MessageReceivedEventArgs Current() => new(_client, _stage.Connection.MessageType, _stage.Connection.Handlers.Run);

    // What a handler reads of a message, or what it throws. The handler catches it.
    private async Task<List<object?>> ReadAsync<T>(JsonTypeInfo<T> typeInfo, params byte[][] frames)
    {
        List<object?> seen = [];
        _stage.Connection.OnMessage = () =>
        {
            try
            {
                seen.Add(Current().ReadJson(typeInfo));
            }
            catch (Exception exception)
            {
                seen.Add(exception);
            }
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(frames);
        await _stage.Transport.WhenIdle;
        return seen;
    }

    [Fact]
    public async Task A_message_is_read_as_a_value_be_it_text_or_binary_and_in_one_piece_or_several()
    {
        const string Json = """{"Item":"Grüße","Count":3}""";
        byte[] utf8 = Encoding.UTF8.GetBytes(Json);
        List<object?> seen = await ReadAsync(
            OrderJson.Default.Order, Frames.Text(Json), Frames.Binary(utf8), Frames.Join(Frames.Text(utf8.AsSpan(0, 12), fin: false), Frames.Continuation(utf8.AsSpan(12))));
        Assert.Equal(Enumerable.Repeat<object?>(new Order("Grüße", 3), 3), seen);
    }

    [Fact]
    public async Task What_is_no_JSON_or_not_of_that_type_or_null_is_a_JsonException_that_says_so()
    {
        List<object?> seen = await ReadAsync(
            OrderJson.Default.Order, Frames.Text("{\"Item\":"), Frames.Text("[]"), Frames.Text("null"), Frames.Text(""), Frames.Text("""{"Item":"x","Count":"many"}"""), Frames.Binary([0xFF]));
        Assert.Equal(6, seen.Count);
        Assert.All(seen, exception => Assert.IsType<JsonException>(exception, exactMatch: false));
        JsonException last = (JsonException)seen[4]!;
        Assert.Equal("$.Count", last.Path);
        Assert.Contains("client 1 (203.0.113.7:50000 /chat) is not valid JSON for WebSocketServerKit.Events.MessageReceivedEventArgsJsonTests+Order", last.Message, StringComparison.Ordinal);
        Assert.Contains("null", ((JsonException)seen[2]!).Message, StringComparison.Ordinal);
        Assert.True(_stage.Connection.IsOpen);
    }

    [Fact]
    public async Task Null_is_a_value_where_the_type_says_so() =>
        Assert.Equal([null, 5], await ReadAsync(OrderJson.Default.NullableInt32, Frames.Text("null"), Frames.Text("5")));

    [Fact]
    public async Task What_the_hosts_own_type_throws_comes_out_as_it_is() =>
        Assert.IsType<InvalidDataException>(Assert.Single(await ReadAsync(OrderJson.Default.Strict, Frames.Text("""{"Name":""}"""))));

    [Fact]
    public async Task An_exception_that_leaves_the_handler_closes_the_client_with_1007_and_is_no_failure_of_the_handler()
    {
        _stage.Connection.OnMessage = async () =>
        {
            await Task.Yield();
            Current().ReadJson(OrderJson.Default.Order);
        };
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("{\"\\u001b[2J\":\n\u2028"), Frames.Text("2"));
        await _stage.Transport.WhenIdle;
        Assert.Equal(((CloseCode)1007, "message is not the JSON that was expected"), _stage.Transport.Frames[^1].ReadClose());
        Assert.Equal((DisconnectCause.ProtocolViolation, ConnectionSide.Server), (_stage.Connection.Ending!.Cause, _stage.Connection.Ending.ClosedBy));
        Assert.IsType<JsonException>(_stage.Connection.Ending.Exception, exactMatch: false);
        Assert.False(_stage.Connection.WasCalled("Message 2"));
        Assert.DoesNotContain(Assert.Single(_stage.Logged(37)).Message, char.IsControl);
        _stage.AssertQuietLog();
    }

    [Fact]
    public async Task With_the_policy_KeepClient_the_client_stays()
    {
        await using var stage = new ConnectionStage(settings => settings with { CloseOnHandlerException = false });
        WebSocketClient client = new(
            1, stage.Connection, RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);
        stage.Connection.OnMessage = () => new MessageReceivedEventArgs(client, stage.Connection.MessageType, stage.Connection.Handlers.Run).ReadJson(OrderJson.Default.Order);
        await stage.OpenAsync();
        stage.Transport.Receive(Frames.Text("1"), Frames.Text("2"));
        await stage.Connection.Called("Message 2");
        await stage.Transport.WhenIdle;
        Assert.True(stage.Connection.IsOpen);
        Assert.Equal(2, stage.Logged(37).Count());
        stage.AssertQuietLog();
    }

    [Fact]
    public async Task A_JsonException_of_the_handlers_own_and_that_of_another_clients_message_are_failures_of_the_handler()
    {
        await using var other = new ConnectionStage();
        WebSocketClient otherClient = new(
            2, other.Connection, RequestHeads.Parse(RequestHeads.Sample), handshaking: null, subprotocol: null, extensions: null, DateTimeOffset.UnixEpoch);
        Exception? ofOther = null;
        other.Connection.OnMessage = () => ofOther = Record.Exception(
            () => new MessageReceivedEventArgs(otherClient, other.Connection.MessageType, other.Connection.Handlers.Run).ReadJson(OrderJson.Default.Order));
        await other.OpenAsync();
        other.Transport.Receive(Frames.Text("1"));
        await other.Transport.WhenIdle;
        _stage.Connection.OnMessage = () => throw ofOther!;
        await _stage.OpenAsync();
        _stage.Transport.Receive(Frames.Text("1"));
        await _stage.Transport.WhenIdle;
        Assert.Equal(DisconnectCause.HandlerFailed, _stage.Connection.Ending!.Cause);
        Assert.Single(_stage.Logged(10));
        _stage.Connection.HandlerFailed(new JsonException("a file of the host"));
        Assert.Equal(2, _stage.Logged(10).Count());
    }

    [Fact]
    public void A_default_value_and_no_type_are_refused()
    {
        Assert.Throws<InvalidOperationException>(() => default(MessageReceivedEventArgs).ReadJson(OrderJson.Default.Order));
        Assert.Throws<ArgumentNullException>(() => default(MessageReceivedEventArgs).ReadJson<Order>(null!));
    }

    internal sealed record Order(string Item, int Count);

    internal sealed record Strict
    {
        public required string Name
        {
            get;
            init => field = value.Length > 0 ? value : throw new InvalidDataException("no name");
        }
    }

    [JsonSerializable(typeof(Order))]
    [JsonSerializable(typeof(Strict))]
    [JsonSerializable(typeof(int?))]
    internal sealed partial class OrderJson : JsonSerializerContext;
}
