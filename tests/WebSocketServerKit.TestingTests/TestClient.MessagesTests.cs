using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace WebSocketServerKit.Testing;

/// <summary>Sends and receives.</summary>
public partial class TestClientMessagesTests
{
    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Text_and_bytes_go_and_come_as_what_they_are()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync("hé");
        ReceivedMessage text = await client.ReceiveAsync();
        Assert.Equal((WebSocketMessageType.Text, true, "hé"), (text.MessageType, text.IsText, text.Text));
        Assert.Equal("text \"hé\"", text.ToString());
        await client.SendAsync(new byte[] { 1, 2, 255 });
        ReceivedMessage binary = await client.ReceiveAsync();
        Assert.Equal((WebSocketMessageType.Binary, false), (binary.MessageType, binary.IsText));
        Assert.Equal("binary 01-02-FF (3 bytes)", binary.ToString());
        await client.SendAsync(ReadOnlyMemory<byte>.Empty);
        Assert.Empty(await client.ReceiveBinaryAsync());
        await client.SendAsync("");
        Assert.Equal("", await client.ReceiveTextAsync());
    }

    [Fact]
    public async Task A_large_message_comes_and_goes_whole_though_the_buffer_is_smaller()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        byte[] payload = new byte[1_000_000];
        new Random(1).NextBytes(payload);
        await client.SendAsync(payload);
        await client.ExpectBinaryAsync(payload);
    }

    [Fact]
    public async Task What_a_test_changes_after_a_send_is_not_sent()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync(configure: options => options.BufferSize = 16);
        byte[] payload = new byte[1000];
        Task sending = client.SendAsync(payload);
        payload.AsSpan().Fill(1);
        await sending;
        await client.ExpectBinaryAsync(new byte[1000]);
    }

    [Fact]
    public async Task Messages_of_several_threads_come_whole()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync(configure: options => options.BufferSize = 100);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() => i % 2 == 0
            ? client.SendAsync(new string('x', i * 30))
            : client.SendRawAsync(new byte[] { 0x8A, 0x80, 0, 0, 0, 0 })))); // an unasked Pong
        string[] received = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => client.ReceiveTextAsync()));
        Assert.Equal(Enumerable.Range(0, 10).Select(i => i * 60), received.Select(text => text.Length).Order());
    }

    [Fact]
    public async Task Json_goes_and_comes_with_and_without_reflection()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        Order order = new("book", 3);
        await client.SendJsonAsync(order, OrderContext.Default.Order);
        Assert.Equal(order, await client.ReceiveJsonAsync(OrderContext.Default.Order));
        await client.SendJsonAsync(order);
        Assert.Equal("""{"item":"book","count":3}""", await client.ReceiveTextAsync());
        await client.SendJsonAsync(new { Item = "pen", Count = 1 });
        Assert.Equal(new Order("pen", 1), await client.ReceiveJsonAsync<Order>());
        await client.SendJsonAsync(order, JsonSerializerOptions.Default);
        Assert.Equal(order, await client.ReceiveJsonAsync<Order>(JsonSerializerOptions.Default));
    }

    [Fact]
    public async Task A_message_of_another_type_than_asked_for_is_shown()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync(new byte[] { 7 });
        ExpectationFailedException noText = await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ReceiveTextAsync());
        Assert.Equal($"What the server has sent next is something else.{Environment.NewLine}  Expected: a text message{Environment.NewLine}  Actual:   binary 07 (1 bytes)", noText.Message);
        await client.SendAsync("x");
        await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ReceiveBinaryAsync());
        await client.SendAsync("x");
        ExpectationFailedException noJson = await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ReceiveJsonAsync<Order>());
        Assert.Contains("Actual:   text \"x\". ", noJson.Message, StringComparison.Ordinal);
        Assert.IsType<JsonException>(noJson.InnerException);
        await client.SendAsync("null");
        await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ReceiveJsonAsync(OrderContext.Default.Order));
    }

    [Fact]
    public async Task What_was_received_before_the_end_can_be_taken_and_then_the_end_is_told()
    {
        await using WebSocketServer server = await Started.ServerAsync(server => server.OnConnected(async (client, _) =>
        {
            await client.SendAsync("welcome");
            await client.CloseAsync(4003, "but no");
        }));
        await using TestClient client = await server.ConnectAsync();
        await client.WaitForCloseAsync();
        Assert.Equal("welcome", await client.ReceiveTextAsync());
        ConnectionClosedException closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ReceiveTextAsync());
        Assert.Equal(((CloseCode)4003, "but no"), (closed.CloseCode, closed.CloseReason));
        Assert.Equal("Waited for a text message of the server: the server closed the connection with 4003, \"but no\".", closed.Message);
        ConnectionClosedException sending = await Assert.ThrowsAsync<ConnectionClosedException>(() => client.SendAsync("x"));
        Assert.Equal((CloseCode)4003, sending.CloseCode);
        Assert.Equal((CloseCode)4003, (await Assert.ThrowsAsync<ConnectionClosedException>(() => client.SendRawAsync(new byte[1]))).CloseCode);
    }

    [Fact]
    public async Task A_wait_for_a_message_ends_when_the_connection_does()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        Task<ReceivedMessage>[] waiting = [client.ReceiveAsync(), client.ReceiveAsync()];
        _ = client.ServerSide.CloseAsync(CloseCode.GoingAway, cancellationToken: Ended);
        foreach (Task<ReceivedMessage> wait in waiting)
            Assert.Equal(CloseCode.GoingAway, (await Assert.ThrowsAsync<ConnectionClosedException>(() => wait)).CloseCode);
    }

    [Fact]
    public async Task A_handler_that_throws_closes_with_1011()
    {
        await using WebSocketServer server = await Started.ServerAsync(server => server.MessageReceived += (_, _) => throw new InvalidOperationException("boom"));
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync("x");
        Assert.Equal(CloseCode.InternalError, (await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ReceiveTextAsync())).CloseCode);
    }

    [Fact]
    public async Task A_message_above_the_limit_closes_with_1009_while_it_is_still_being_sent()
    {
        await using WebSocketServer server = await Started.EchoAsync(options => options.MaxMessageSize = 1000);
        await using TestClient client = await server.ConnectAsync(configure: options => options.BufferSize = 100);
        Exception? sending = await Record.ExceptionAsync(() => client.SendAsync(new byte[1_000_000]));
        Assert.True(sending is null or ConnectionClosedException { CloseCode.Value: 1009 }, sending?.ToString());
        await client.ExpectClosedAsync(CloseCode.MessageTooBig);
    }

    [Theory]
    [InlineData(new byte[] { 0x81, 0x01, (byte)'x' }, 1002)] // no mask
    [InlineData(new byte[] { 0x83, 0x80, 0, 0, 0, 0 }, 1002)] // an unknown opcode
    [InlineData(new byte[] { 0x81, 0x81, 0, 0, 0, 0, 0xFF }, 1007)] // text that is not UTF-8
    public async Task A_hostile_frame_is_answered_as_the_server_answers_it(byte[] frame, int code)
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await client.SendRawAsync(frame);
        await client.ExpectClosedAsync(code);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Compression_is_agreed_on_and_used_if_both_want_it(bool isOffered)
    {
        await using WebSocketServer server = await Started.EchoAsync(options => options.PerMessageDeflate = new PerMessageDeflateOptions());
        await using TestClient client = await server.ConnectAsync(configure: options => options.Compression = isOffered ? new WebSocketDeflateOptions() : null);
        Assert.Equal(isOffered, client.ServerSide.Extensions is not null);
        Assert.Equal(client.ServerSide.Extensions, client.Response["sec-websocket-extensions"]);
        string text = new('x', 10_000);
        await client.SendAsync(text);
        await client.ExpectTextAsync(text);
        await client.SendAsync(text);
        await client.ExpectTextAsync(text);
    }

    [Fact]
    public async Task The_parameters_of_the_compression_are_those_that_were_agreed_on()
    {
        await using WebSocketServer server = await Started.EchoAsync(options => options.PerMessageDeflate = new PerMessageDeflateOptions());
        await using TestClient client = await server.ConnectAsync(configure: options => options.Compression = new WebSocketDeflateOptions
        {
            ClientContextTakeover = false,
            ServerContextTakeover = false,
            ClientMaxWindowBits = 12,
        });
        Assert.Contains("server_no_context_takeover", client.ServerSide.Extensions, StringComparison.Ordinal);
        for (int i = 0; i < 3; i++)
        {
            await client.SendAsync(new string('y', 5_000));
            await client.ExpectTextAsync(new string('y', 5_000));
        }
    }

    internal sealed record Order(string Item, int Count);

    [JsonSerializable(typeof(Order))]
    internal sealed partial class OrderContext : JsonSerializerContext;
}
