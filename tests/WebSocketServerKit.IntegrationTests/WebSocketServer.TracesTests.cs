using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit;

/// <summary>The activities in which the handlers of real connections run.</summary>
public sealed class WebSocketServerTracesTests
{
    private const string Headers = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nbaggage: tenant=acme";
    private readonly ConcurrentQueue<(string Event, Activity? Activity)> _seen = [];

    private void See(string @event) => _seen.Enqueue((@event, Activity.Current));

    private async Task<TestServer> StartAsync(string name, bool tracesMessages) => await TestServer.StartAsync(
        server =>
        {
            server.Handshaking += (_, e) => See("Handshaking");
            server.ClientConnected += (_, e) => See("ClientConnected");
            server.MessageReceived += async (_, e) =>
            {
                See(e.Text);
                if (e.Text == "later")
                    await Task.Yield();
                See(e.Client.MessagesReceived.ToString(System.Globalization.CultureInfo.InvariantCulture));
                await e.Client.SendAsync("done");
            };
            server.ClientDisconnected += (_, e) => See("ClientDisconnected");
        },
        options => (options.Name, options.TraceMessages) = (name, tracesMessages));

    private static async Task<TestClient> ConnectAsync(TestServer server, string headers)
    {
        TestClient raw = await TestClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(TestClient.Request("/room", headers.Split("\r\n", StringSplitOptions.RemoveEmptyEntries)));
        Assert.Equal(101, (int)(await raw.ReadAnswerAsync()).Status);
        return raw;
    }

    // A traced client: its first message is handled at once, its second one later, then it leaves.
    private static async Task ConverseAsync(TestServer server)
    {
        using TestClient raw = await ConnectAsync(server, Headers);
        await raw.SendAsync("at once");
        await raw.ReadTextAsync();
        await raw.SendAsync("later");
        await raw.ReadTextAsync();
        await raw.SendCloseAsync(1000);
        await server.NextEndAsync();
    }

    [Fact]
    public async Task All_handlers_run_in_the_activity_of_their_connection_with_the_baggage_of_the_request()
    {
        string name = nameof(All_handlers_run_in_the_activity_of_their_connection_with_the_baggage_of_the_request);
        using Spans spans = new(name);
        await using TestServer server = await StartAsync(name, tracesMessages: false);
        await ConverseAsync(server);
        await Polling.UntilAsync(() => spans.Ended.Count == 2);
        Activity handshake = spans.Ended[0], connection = spans.Ended[1];
        Assert.Equal(["Handshaking", "ClientConnected", "at once", "1", "later", "2", "ClientDisconnected"], _seen.Select(one => one.Event), StringComparer.Ordinal);
        Assert.Equal([handshake, .. Enumerable.Repeat(connection, 6)], _seen.Select(one => one.Activity));
        Assert.Equal(handshake.SpanId, connection.ParentSpanId);
        Assert.Equal((1000, "closed"), (connection.GetTagItem("websocket.close.code"), connection.GetTagItem("websocket.disconnect.cause")));
        Assert.Equal(("0af7651916cd43dd8448eb211c80319c", "acme", 101), (handshake.TraceId.ToHexString(), handshake.GetBaggageItem("tenant"), handshake.GetTagItem("http.response.status_code")));
    }

    [Fact]
    public async Task Each_message_has_an_activity_of_its_own_on_demand_which_ends_with_its_handlers()
    {
        string name = nameof(Each_message_has_an_activity_of_its_own_on_demand_which_ends_with_its_handlers);
        using Spans spans = new(name);
        await using TestServer server = await StartAsync(name, tracesMessages: true);
        await ConverseAsync(server);
        await Polling.UntilAsync(() => spans.Ended.Count == 4);
        Activity[] messages = [.. spans.Ended.Where(one => one.Kind == ActivityKind.Consumer)];
        Activity handshake = spans.Ended[0], connection = spans.Ended[^1];
        Assert.Equal([handshake, connection, messages[0], messages[0], messages[1], messages[1], connection], _seen.Select(one => one.Activity));
        Assert.All(messages, message => Assert.Equal(("acme", connection.Context), (message.GetBaggageItem("tenant"), message.Links.Single().Context)));
    }

    [Fact]
    public async Task Nobody_who_is_not_traced_runs_in_an_activity_even_if_the_one_who_started_the_server_has_one()
    {
        using Activity mine = new("mine");
        mine.Start();
        await using TestServer server = await StartAsync("nobody listens to this one", tracesMessages: true);
        using TestClient raw = await ConnectAsync(server, "");
        await raw.SendAsync("at once");
        await raw.ReadTextAsync();
        Assert.All(_seen, one => Assert.Null(one.Activity));
    }

    [Fact]
    public async Task The_activity_of_a_message_ends_also_when_an_async_handler_has_ended_before_another_one_that_blocks()
    {
        string name = nameof(The_activity_of_a_message_ends_also_when_an_async_handler_has_ended_before_another_one_that_blocks);
        using Spans spans = new(name);
        using ManualResetEventSlim ended = new();
        await using TestServer server = await TestServer.StartAsync(
            server =>
            {
                server.MessageReceived += async (_, e) =>
                {
                    await Task.Yield();
                    ended.Set();
                };
                server.MessageReceived += (_, e) => ended.Wait(TestServer.Timely);
                server.MessageReceived += async (_, e) => await e.Client.SendAsync("done");
            },
            options => (options.Name, options.TraceMessages) = (name, true));
        using TestClient raw = await ConnectAsync(server, "");
        for (int i = 1; i <= 20; i++)
        {
            ended.Reset();
            await raw.SendAsync("hello");
            await raw.ReadTextAsync();
        }

        await Polling.UntilAsync(() => spans.Ended.Count(one => one.Kind == ActivityKind.Consumer) == 20);
    }

    [Fact]
    public async Task A_refused_handshake_has_an_activity_with_its_status()
    {
        string name = nameof(A_refused_handshake_has_an_activity_with_its_status);
        using Spans spans = new(name);
        await using TestServer server = await TestServer.StartAsync(
            server => server.Handshaking += (_, e) => e.Refuse(HttpStatusCode.Forbidden), options => options.Name = name);
        using TestClient raw = await TestClient.ConnectAsync(server.EndPoint);
        await raw.WriteAsync(TestClient.Request("/"));
        await raw.ReadAnswerAsync();
        await Polling.UntilAsync(() => spans.Ended.Count == 1);
        Assert.Equal(403, spans.Ended[0].GetTagItem("http.response.status_code"));
    }
}
