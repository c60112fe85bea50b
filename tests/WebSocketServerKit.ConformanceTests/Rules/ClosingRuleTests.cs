using System.Net.WebSockets;
using WebSocketServerKit.Raw;
using static WebSocketServerKit.Raw.ClientFrame;

namespace WebSocketServerKit.Conformance.Rules;

/// <summary>RFC 6455 7 (and 5.5.1): what the cases of the suite leave out, and closing that the server begins.</summary>
public class ClosingRuleTests(EchoServer echo)
{
    [Theory]
    [InlineData(1012)]
    [InlineData(1013)]
    [InlineData(1014)]
    public async Task Answers_a_close_code_that_was_registered_after_the_RFC(int code)
    {
        await using RawClient client = await echo.OpenAsync();
        await client.SendAsync(Close(code, "why"));
        await client.AssertClosedAsync(code, "why");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1015)]
    [InlineData(1017)]
    [InlineData(1999)]
    [InlineData(32768)]
    public async Task Fails_on_a_close_code_that_must_not_be_sent(int code)
    {
        await using RawClient client = await echo.OpenAsync();
        await client.SendAsync(Close(code));
        await client.AssertClosedAsync(1002);
    }

    [Fact]
    public async Task Ends_the_connection_with_a_FIN_however_much_follows_the_Close_frame()
    {
        await using RawClient client = await echo.OpenAsync();
        await client.SendAsync(Close(1000), Binary(new byte[1 << 20]), Text("unheard"));
        await client.AssertClosedAsync(1000);
        await client.AssertReadsAwayAsync();
    }

    [Fact]
    public async Task Acts_on_nothing_that_follows_a_broken_rule()
    {
        await using RuleServer server = await RuleServer.StartAsync();
        await using RawClient client = await server.OpenAsync();
        await client.SendAsync(Text("heard"), Continuation("broken"), Text("unheard"), Ping(), Close(1000));
        await client.AssertTextAsync("heard");
        await client.AssertClosedAsync(1002);

        client.HalfClose();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal(
            (DisconnectCause.ProtocolViolation, ConnectionSide.Server, 1, false),
            (end.Cause, end.ClosedBy, end.Client.MessagesReceived, end.WasClean));
    }

    [Fact]
    public async Task Closes_with_the_hosts_code_and_waits_for_the_answer_before_it_ends_the_connection()
    {
        await using RuleServer server = await RuleServer.StartAsync(ClosingOn("now"));
        await using RawClient client = await server.OpenAsync();
        await client.SendAsync(Text("now"));
        ServerFrame? close = await client.ReadAsync();
        Assert.Equal("Close 4000 “bye”", $"{close}");
        Assert.True(await client.IsSilentAsync(TimeSpan.FromMilliseconds(50)), "The server did not wait.");

        await client.SendAsync(Close(4000));
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
        client.HalfClose();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal(
            (ConnectionSide.Server, 4000, "bye", true),
            (end.ClosedBy, end.CloseCode, end.CloseReason, end.WasClean));
    }

    [Fact]
    public async Task Sends_nothing_behind_its_Close_frame_neither_data_nor_Pongs()
    {
        var refused = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RuleServer server = await RuleServer.StartAsync(server => server.MessageReceived += (_, e) =>
        {
            _ = e.Client.CloseAsync(4000, "bye");
            refused.SetResult(e.Client.TrySend("too late") == SendResult.Closed);
        });
        await using RawClient client = await server.OpenAsync();
        await client.SendAsync(Text("now"), Ping("too late"), Text("too late"));
        Assert.Equal("Close 4000 “bye”", $"{await client.ReadAsync()}");
        Assert.True(await refused.Task);

        await client.SendAsync(Ping("later still"), Close(1000));
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
    }

    [Fact]
    public async Task Sends_one_Close_frame_when_both_sides_close_at_once()
    {
        await using RuleServer server = await RuleServer.StartAsync(ClosingOn("now"));
        await using RawClient client = await server.OpenAsync();
        await client.SendAsync(Text("now"), Close(1001, "going"));
        await client.AssertClosedAsync(4000, "bye");
    }

    [Fact]
    public async Task Says_1001_when_it_goes_away()
    {
        await using RuleServer server = await RuleServer.StartAsync();
        await using RawClient client = await server.OpenAsync();
        Task stopping = server.StopAsync();
        Assert.Equal(1001, (await client.ReadAsync())!.CloseCode);
        await client.SendAsync(Close(1001));
        Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
        client.HalfClose();
        await stopping;
    }

    [Fact]
    public async Task Reports_1005_for_a_Close_frame_without_a_code_and_answers_with_none()
    {
        await using RuleServer server = await RuleServer.StartAsync();
        await using RawClient client = await server.OpenAsync();
        await client.SendAsync(Close());
        Assert.Equal("Close", $"{await client.ReadAsync()}");
        client.HalfClose();
        Assert.Equal(1005, (int)(await server.NextEndAsync()).CloseCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reports_1006_for_an_end_without_a_Close_frame_and_sends_none(bool reset)
    {
        await using RuleServer server = await RuleServer.StartAsync();
        await using RawClient client = await server.OpenAsync();
        if (reset)
        {
            client.Reset();
        }
        else
        {
            client.HalfClose();
            Assert.Equal(ConnectionEnd.Fin, await client.ReadEndAsync());
        }

        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.ConnectionLost, 1006, false), (end.Cause, (int)end.CloseCode, end.WasClean));
    }

    [Fact]
    public async Task Lets_the_host_send_no_code_that_must_not_be_sent()
    {
        var outcomes = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RuleServer server = await RuleServer.StartAsync(server => server.ClientConnected += async (_, e) =>
        {
            List<int> sent = [];
            foreach (int code in (int[])[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
            {
                Task closing = e.Client.CloseAsync((CloseCode)code);
                await closing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (closing.Exception?.InnerException is not ArgumentException)
                    sent.Add(code);
            }

            outcomes.SetResult(string.Join(' ', sent));
        });
        await using RawClient client = await server.OpenAsync();
        Assert.Equal("", await outcomes.Task);
        await client.SendAsync(Close(1000));
        await client.AssertClosedAsync(1000);
    }

    [Fact]
    public async Task Lets_the_host_send_no_text_that_is_not_UTF8()
    {
        await using RuleServer server = await RuleServer.StartAsync(server => server.ClientConnected += async (_, e) =>
        {
            try
            {
                await e.Client.SendAsync([0xFF], WebSocketMessageType.Text);
            }
            catch (ArgumentException)
            {
                await e.Client.SendAsync("lone \uD800 surrogate");
            }
        });
        await using RawClient client = await server.OpenAsync();
        await client.AssertTextAsync("lone \uFFFD surrogate");
    }

    private static Action<WebSocketServer> ClosingOn(string text) => server => server.MessageReceived += async (_, e) =>
    {
        if (e.Text == text)
            await e.Client.CloseAsync(4000, "bye");
    };
}
