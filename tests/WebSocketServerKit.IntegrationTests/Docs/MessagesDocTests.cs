using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>What docs/messages.md shows compiles and works.</summary>
public class MessagesDocTests
{
    [Fact]
    public void Each_block_of_code_is_code_of_these_tests() =>
        GuideCode.AssertIsIn("docs/messages.md", 7, "tests/WebSocketServerKit.IntegrationTests/Docs/MessagesDoc.cs");

    [Fact]
    public async Task Orders_are_answered_with_receipts_and_shown_in_the_kitchen()
    {
        await using TestServer server = await TestServer.StartAsync(MessagesDoc.Json);
        (TestClient kitchen, WebSocketClient cook) = await server.ConnectAsync();
        cook.AddTag("kitchen");
        (TestClient guest, _) = await server.ConnectAsync();
        await guest.SendAsync("""{"Item":"soup","Count":2}""");
        Assert.Equal("""{"Item":"soup","Price":5.0}""", await guest.ReadTextAsync());
        Assert.Equal("""{"Item":"soup","Count":2}""", await kitchen.ReadTextAsync());
        await guest.SendAsync("soup, please");
        ReceivedFrame close = await guest.ReadFrameAsync();
        Assert.Equal((1007, "message is not the JSON that was expected"), (close.CloseCode, close.CloseReason));
        await guest.SendCloseAsync(1007);
        await guest.AssertEndAsync();
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal(DisconnectCause.ProtocolViolation, end.Cause);
        Assert.Empty(server.Log.Of(10));
        guest.Dispose();
        kitchen.Dispose();
    }

    [Fact]
    public async Task Everybody_is_welcomed()
    {
        await using TestServer server = await TestServer.StartAsync(MessagesDoc.Prepared);
        for (int i = 0; i < 2; i++)
        {
            using TestClient client = await server.OpenAsync();
            Assert.Equal("welcome", await client.ReadTextAsync());
        }
    }

    [Fact]
    public async Task A_message_is_forwarded_to_the_partner_and_the_partners_leaving_harms_nobody()
    {
        await using TestServer server = await TestServer.StartAsync(MessagesDoc.ForwardToPartner);
        (TestClient left, WebSocketClient leftClient) = await server.ConnectAsync();
        (TestClient right, WebSocketClient rightClient) = await server.ConnectAsync();
        leftClient.State = new Pair(rightClient.Id);
        rightClient.State = new Pair(leftClient.Id);
        await left.SendAsync("hello");
        Assert.Equal("hello", await right.ReadTextAsync());
        byte[] large = new byte[300_000];
        await right.SendAsync(large);
        Assert.Equal(large, (await left.ReadFrameAsync()).Payload);
        await right.LeaveAsync();
        await server.NextEndAsync();
        await left.SendAsync("still there?");
        await left.LeaveAsync();
        Assert.Equal(DisconnectCause.Closed, (await server.NextEndAsync()).Cause);
    }

    [Fact]
    public async Task A_message_is_forwarded_to_all_others_of_its_path()
    {
        await using TestServer server = await TestServer.StartAsync(MessagesDoc.ForwardToMany);
        using TestClient sender = await server.OpenAsync("/a"), other = await server.OpenAsync("/a"), elsewhere = await server.OpenAsync("/b");
        for (int i = 0; i < 3; i++)
            await server.NextClientAsync();
        await elsewhere.SendAsync("to nobody");
        await sender.SendAsync("grüße");
        Assert.Equal("grüße", await other.ReadTextAsync());
        await other.SendAsync("back");
        Assert.Equal("back", await sender.ReadTextAsync());
        await sender.SendAsync("again");
        Assert.Equal("again", await other.ReadTextAsync());
    }

    [Fact]
    public async Task A_device_is_asked_and_its_reply_is_not_raised()
    {
        List<string> raised = [];
        await using TestServer server = await TestServer.StartAsync(server => server.MessageReceived += (_, e) => raised.Add(e.Text));
        (TestClient device, WebSocketClient client) = await server.ConnectAsync();
        Task<string> asking = MessagesDoc.AskAsync(client);
        string question = await device.ReadTextAsync();
        string number = question.Split(' ')[0];
        await device.SendAsync("unasked");
        await device.SendAsync($"{number} all is well");
        Assert.Equal($"{number} all is well", await asking.Timely());

        Task<Answer> asked = MessagesDoc.AskInJsonAsync(client, 7);
        Assert.Equal("""{"Number":7,"Text":"status"}""", await device.ReadTextAsync());
        await device.SendAsync("""{"Number":6,"Text":"late"}""");
        await device.SendAsync("""{"Number":7,"Text":"fine"}""");
        Assert.Equal(new Answer(7, "fine"), await asked.Timely());
        await device.LeaveAsync();
        await server.NextEndAsync();
        Assert.Equal(["unasked", """{"Number":6,"Text":"late"}"""], raised);
    }
}
