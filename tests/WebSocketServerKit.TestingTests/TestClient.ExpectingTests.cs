namespace WebSocketServerKit.Testing;

/// <summary>What a test expects holds, or the failure shows what came.</summary>
public class TestClientExpectingTests
{
    private static CancellationToken Ended => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_that_is_expected_passes()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync("x");
        await client.ExpectTextAsync("x");
        await client.SendAsync(new byte[] { 1, 2 });
        await client.ExpectBinaryAsync(new byte[] { 1, 2 });
        await client.SendAsync("""{ "b": [1, null], "a": "\u00e9" }""");
        await client.ExpectJsonAsync("""{"a":"é","b":[1,null]}""");
        await client.SendAsync("null");
        await client.ExpectJsonAsync("null");
    }

    [Fact]
    public async Task Another_message_fails_and_both_are_shown()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync("hello");
        AssertShown("text \"help\"", "text \"hello\", different from character 3 on", await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectTextAsync("help")));
        await client.SendAsync(new byte[] { 1 });
        AssertShown("text \"\"", "binary 01 (1 bytes)", await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectTextAsync("")));
        await client.SendAsync("1");
        AssertShown("binary 31 (1 bytes)", "text \"1\"", await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectBinaryAsync("1"u8.ToArray())));
        await client.SendAsync(new byte[] { 2 });
        AssertShown("binary 01 (1 bytes)", "binary 02 (1 bytes)", await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectBinaryAsync(new byte[] { 1 })));
        await client.SendAsync("""{ "a": 2 }""");
        AssertShown("JSON {\"a\":1}", "JSON {\"a\":2}", await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectJsonAsync("""{ "a" : 1 }""")));
        await client.SendAsync("{");
        AssertShown("JSON 1", "text \"{\"", await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectJsonAsync("1")));
    }

    [Fact]
    public async Task A_long_message_is_shortened()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await client.SendAsync(new string('x', 10_000));
        ExpectationFailedException failed = await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectTextAsync(new string('x', 9_999)));
        Assert.Contains("xxx…\" (10000 characters), different from character 9999 on", failed.Message, StringComparison.Ordinal);
        Assert.InRange(failed.Message.Length, 1, 700);
        await client.SendAsync(new byte[10_000]);
        Assert.InRange((await client.ReceiveAsync()).ToString().Length, 1, 200);
    }

    [Fact]
    public async Task The_end_in_place_of_a_message_is_shown()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        _ = client.ServerSide.CloseAsync(4000, "over", cancellationToken: Ended);
        AssertShown("text \"x\"", "the server closed the connection with 4000, \"over\"", await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectTextAsync("x")));
        await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectJsonAsync("1"));
        await client.ExpectClosedAsync(4000);
        await client.ExpectClosedAsync(4000, "over");
        AssertShown(
            "the server closed the connection with 4000, \"other\"",
            "the server closed the connection with 4000, \"over\"",
            await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectClosedAsync(4000, "other")),
            "The connection has ended otherwise.");
        AssertShown(
            "the connection ended without a Close frame, which is 1006 (abnormal closure)",
            "the server closed the connection with 4000, \"over\"",
            await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectClosedAsync(CloseCode.AbnormalClosure)),
            "The connection has ended otherwise.");
    }

    [Fact]
    public async Task A_message_in_place_of_the_end_is_shown_and_stays()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await client.ServerSide.SendAsync("x", cancellationToken: Ended);
        AssertShown("the server closed the connection with 1000 (normal closure)", "text \"x\"", await Assert.ThrowsAsync<ExpectationFailedException>(() => client.ExpectClosedAsync(1000)));
        await client.ExpectTextAsync("x");
    }

    [Fact]
    public async Task Nothing_comes_when_the_server_is_idle()
    {
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using WebSocketServer server = await Started.ServerAsync(server => server.MessageReceived += async (_, e) =>
        {
            await gate.Task;
            if (e.IsText)
                server.Clients.Except(e.Client).Broadcast(e.Text);
        });
        await using TestClient sender = await server.ConnectAsync();
        await using TestClient other = await server.ConnectAsync();
        await sender.SendAsync(new byte[1]);
        await sender.SendAsync("x");
        Task nothing = sender.ExpectNothingAsync();
        Task something = other.ExpectNothingAsync();
        Assert.False(nothing.IsCompleted);
        gate.SetResult();
        await nothing;
        AssertShown("no message", "text \"x\"", await Assert.ThrowsAsync<ExpectationFailedException>(() => something), "The server has sent a message.");
        await other.ExpectTextAsync("x");
        await other.ExpectNothingAsync();
    }

    [Fact]
    public async Task What_is_expected_has_to_be_json()
    {
        await using WebSocketServer server = await Started.EchoAsync();
        await using TestClient client = await server.ConnectAsync();
        await Assert.ThrowsAsync<ArgumentException>(() => client.ExpectJsonAsync("{"));
        await client.SendAsync("x");
        await client.ExpectTextAsync("x");
    }

    [Fact]
    public void A_failure_is_an_assertion_to_the_test_framework() =>
        Assert.Contains(typeof(ExpectationFailedException).GetInterfaces(), type => type.Name is "IAssertionException");

    private static void AssertShown(string expected, string actual, ExpectationFailedException failed, string what = "What the server has sent next is something else.") =>
        Assert.Equal(string.Join(Environment.NewLine, what, $"  Expected: {expected}", $"  Actual:   {actual}"), failed.Message);
}
