using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Limits;

public class MessageLimitTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(125)]
    [InlineData(126)]
    [InlineData(65_535)]
    [InlineData(65_536)]
    [InlineData(100_000)]
    public async Task MaxMessageSize_lets_just_that_through(int limit)
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxMessageSize = limit);
        using TestClient whole = await server.OpenAsync();
        await whole.SendAsync(new byte[limit]);
        Assert.Equal(limit, (await whole.ReadFrameAsync()).Payload.Length);
        await whole.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[limit + 1]));
        await whole.AssertClosedAsync(1009, "message too big");

        using TestClient fragmented = await server.OpenAsync();
        await fragmented.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[limit], fin: false).Concat(TestClient.Frame(Opcode.Continuation, [])).ToArray());
        Assert.Equal(limit, (await fragmented.ReadFrameAsync()).Payload.Length);
        await fragmented.WriteAsync(TestClient.Frame(Opcode.Binary, new byte[limit], fin: false).Concat(TestClient.Frame(Opcode.Continuation, [0])).ToArray());
        await fragmented.AssertClosedAsync(1009, "message too big");
    }

    [Fact]
    public async Task A_declared_length_is_refused_before_a_byte_of_it_has_come()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        using TestClient client = await server.OpenAsync();
        await client.WriteAsync(new byte[] { 0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4 });
        await client.AssertClosedAsync(1009, "message too big");
    }

    [Fact]
    public async Task MaxFragmentsPerMessage_lets_just_that_many_through()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.MaxFragmentsPerMessage = 3);
        using TestClient client = await server.OpenAsync();
        byte[] three = [.. TestClient.Frame(Opcode.Text, "a"u8, fin: false), .. TestClient.Frame(Opcode.Continuation, "b"u8, fin: false), .. TestClient.Frame(Opcode.Continuation, "c"u8)];
        await client.WriteAsync(three);
        Assert.Equal("abc", await client.ReadTextAsync());
        await client.WriteAsync(three);
        Assert.Equal("abc", await client.ReadTextAsync());

        byte[] empty = TestClient.Frame(Opcode.Continuation, [], fin: false);
        await client.WriteAsync(TestClient.Frame(Opcode.Text, [], fin: false).Concat(empty).Concat(empty).Concat(empty).ToArray());
        await client.AssertClosedAsync(1008, "too many fragments in one message");
    }
}
