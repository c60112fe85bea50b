using System.Diagnostics;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Diagnostics;

public class ServerActivitiesTests
{
    private const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    private static Activity? Begin(string server, params (string Name, string Value)[] headers) => ServerActivities.BeginHandshake(
        "GET", "/rooms/7", "/rooms/{room}", server, name => headers.FirstOrDefault(header => header.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Value);

    [Fact]
    public void A_handshake_belongs_to_the_trace_of_its_request_and_has_its_baggage()
    {
        using Spans spans = new(nameof(A_handshake_belongs_to_the_trace_of_its_request_and_has_its_baggage));
        Activity handshake = Begin(
            nameof(A_handshake_belongs_to_the_trace_of_its_request_and_has_its_baggage), ("traceparent", Parent), ("tracestate", "vendor=1"), ("baggage", "tenant=acme,user=ann"))!;
        Assert.Null(Activity.Current);
        Assert.Equal(
            ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "vendor=1"), (handshake.TraceId.ToHexString(), handshake.ParentSpanId.ToHexString(), handshake.TraceStateString));
        Assert.Equal(("acme", "ann"), (handshake.GetBaggageItem("tenant"), handshake.GetBaggageItem("user")));
        Assert.Equal(("GET /rooms/{room}", ActivityKind.Server), (handshake.DisplayName, handshake.Kind));
        Assert.Equal(("GET", "/rooms/7", "/rooms/{room}"), (handshake.GetTagItem("http.request.method"), handshake.GetTagItem("url.path"), handshake.GetTagItem("http.route")));
        ServerActivities.EndHandshake(handshake, 101, 5, "chat");
        Assert.Equal((101, 5L, "chat"), (handshake.GetTagItem("http.response.status_code"), handshake.GetTagItem("websocket.client.id"), handshake.GetTagItem("websocket.subprotocol")));
        Assert.Equal(ActivityStatusCode.Unset, handshake.Status);
        Assert.Equal([handshake], spans.Ended);
    }

    [Theory]
    [InlineData(403, ActivityStatusCode.Unset)] // OpenTelemetry: a server's span is an error from 500 on
    [InlineData(500, ActivityStatusCode.Error)]
    public void A_handshake_that_fails_is_an_error_if_the_server_is_to_blame(int status, ActivityStatusCode code)
    {
        string server = $"{nameof(A_handshake_that_fails_is_an_error_if_the_server_is_to_blame)} {status}";
        using Spans spans = new(server);
        Activity handshake = Begin(server)!;
        ServerActivities.EndHandshake(handshake, status, null, null);
        Assert.Equal((code, default), (handshake.Status, handshake.ParentSpanId));
    }

    [Fact]
    public void What_is_not_sampled_still_carries_the_trace_and_the_baggage()
    {
        using Spans spans = new("another server");
        Activity carrier = Begin(nameof(What_is_not_sampled_still_carries_the_trace_and_the_baggage), ("traceparent", Parent), ("tracestate", "vendor=1"), ("baggage", "tenant=acme"))!;
        Assert.Equal(("0af7651916cd43dd8448eb211c80319c", "vendor=1", "acme"), (carrier.TraceId.ToHexString(), carrier.TraceStateString, carrier.GetBaggageItem("tenant")));
        Activity connection = ServerActivities.BeginConnection(carrier, 1, "server");
        Assert.Equal((carrier.TraceId, "acme"), (connection.TraceId, connection.GetBaggageItem("tenant")));
        ServerActivities.EndHandshake(carrier, 101, 1, null);
        ServerActivities.EndConnection(connection, DisconnectCause.Closed, 1000);
        Assert.Empty(carrier.TagObjects);
        Assert.Empty(spans.Ended);
        Assert.Null(Begin("no parent, no baggage"));
        Assert.Null(Begin("a parent that is none", ("traceparent", "rubbish")));
        Assert.Null(Activity.Current);
    }

    [Fact]
    public void A_message_is_a_trace_of_its_own_with_a_link_to_the_handshake_and_its_baggage()
    {
        string server = nameof(A_message_is_a_trace_of_its_own_with_a_link_to_the_handshake_and_its_baggage);
        using Spans spans = new(server);
        Activity handshake = Begin(server, ("traceparent", Parent), ("baggage", "tenant=acme"))!;
        handshake.Stop();
        Activity message = ServerActivities.BeginMessage(handshake, 5, server, 64, isText: true);
        Assert.Equal(handshake.Context, Assert.Single(message.Links).Context);
        Assert.NotEqual(handshake.TraceId, message.TraceId);
        Assert.Equal(("websocket.message", ActivityKind.Consumer, "acme"), (message.DisplayName, message.Kind, message.GetBaggageItem("tenant")));
        Assert.Equal((5L, 64, "text"), (message.GetTagItem("websocket.client.id"), message.GetTagItem("websocket.message.size"), message.GetTagItem("websocket.message.type")));
        Assert.Null(Activity.Current);
        message.Stop();
    }

    [Fact]
    public void A_connection_is_below_its_handshake_and_tells_how_it_ended()
    {
        using Spans spans = new(nameof(A_connection_is_below_its_handshake_and_tells_how_it_ended));
        Activity handshake = Begin(nameof(A_connection_is_below_its_handshake_and_tells_how_it_ended), ("baggage", "tenant=acme"))!;
        ServerActivities.EndHandshake(handshake, 101, 5, null);
        Activity connection = ServerActivities.BeginConnection(handshake, 5, nameof(A_connection_is_below_its_handshake_and_tells_how_it_ended));
        ServerActivities.EndConnection(connection, DisconnectCause.PingTimeout, 1006);
        Assert.Equal((handshake.TraceId, handshake.SpanId, "acme"), (connection.TraceId, connection.ParentSpanId, connection.GetBaggageItem("tenant")));
        Assert.Equal((5L, "ping_timeout", 1006), (connection.GetTagItem("websocket.client.id"), connection.GetTagItem("websocket.disconnect.cause"), connection.GetTagItem("websocket.close.code")));
        Assert.Equal([handshake, connection], spans.Ended);
    }

    [Fact]
    public void A_message_that_is_not_sampled_is_not_recorded_and_carries_the_baggage()
    {
        string server = nameof(A_message_that_is_not_sampled_is_not_recorded_and_carries_the_baggage);
        using Spans spans = new(server, samplesMessages: false);
        Activity handshake = Begin(server, ("baggage", "tenant=acme"))!;
        handshake.Stop();
        Activity message = ServerActivities.BeginMessage(handshake, 5, server, 64, isText: false);
        Assert.Equal((false, "acme"), (message.Recorded, message.GetBaggageItem("tenant")));
        message.Stop();
        Assert.Equal([handshake], spans.Ended);
    }

    [Fact]
    public void A_method_that_a_client_makes_up_is_no_name_of_its_own()
    {
        const string Server = nameof(A_method_that_a_client_makes_up_is_no_name_of_its_own);
        using Spans spans = new(Server);
        Activity request = ServerActivities.BeginHandshake("MADE-UP", "/", null, Server, _ => null)!;
        Assert.Equal(("HTTP", "_OTHER"), (request.DisplayName, request.GetTagItem("http.request.method")));
        ServerActivities.End(request);
        ServerActivities.End(request);
        Assert.Single(spans.Ended);
    }

    [Fact]
    public void A_listener_that_throws_harms_nobody()
    {
        const string Server = nameof(A_listener_that_throws_harms_nobody);
        bool Mine(IEnumerable<KeyValuePair<string, object?>>? tags) => tags?.Contains(new("websocket.server.name", Server)) == true;
        int thrown = 0;
        Exception Thrown() => new InvalidOperationException($"on purpose, for the {++thrown}. time");
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == "WebSocketServerKit",
            Sample = (ref options) => Mine(options.Tags) ? ActivitySamplingResult.AllData : ActivitySamplingResult.None,
            ActivityStarted = activity =>
            {
                if (Mine(activity.TagObjects))
                    throw Thrown();
            },
        };
        ActivitySource.AddActivityListener(listener);
        Assert.Null(Begin(Server));
        Assert.NotNull(Begin(Server, ("traceparent", Parent)));
        Assert.Null(Activity.Current);
        Assert.Equal(2, thrown);
    }
}
