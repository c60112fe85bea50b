using System.Diagnostics;

namespace WebSocketServerKit.Diagnostics;

/// <summary>
/// The spans of a server, as activities: one for each opening handshake, which belongs to the trace that the request names, below it one for the connection, and on demand one for each message. Without a
/// listener nothing is made.
/// </summary>
internal static class ServerActivities
{
    /// <summary>The name of the activity source.</summary>
    public const string SourceName = "WebSocketServerKit";

    private const string ClientTag = "websocket.client.id";

    private static readonly HashSet<string> Methods = new(StringComparer.Ordinal) { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE" };

    private static readonly ActivitySource Source = new(SourceName, PackageVersion.Of(typeof(ServerActivities).Assembly));

    /// <summary>Whether somebody listens.</summary>
    public static bool IsListenedTo => Source.HasListeners();

    /// <summary>Begins the span of a handshake, or, if it is not sampled, an activity that only carries the trace and the baggage of the request. Null if there is nothing to carry.</summary>
    /// <param name="method">The HTTP method.</param>
    /// <param name="path">The path of the request.</param>
    /// <param name="route">The template that matches the path; null without one.</param>
    /// <param name="server">The name of the server; null for none.</param>
    /// <param name="header">Gives the value of a header, or null.</param>
    public static Activity? BeginHandshake(string method, string path, string? route, string? server, Func<string, string?> header)
    {
        bool hasParent = TryExtract(header, out ActivityContext parent, out KeyValuePair<string, string?>[] baggage);
        string known = Methods.Contains(method) ? method : "_OTHER"; // a client must not be able to make names
        Activity? outer = Activity.Current;
        Activity.Current = null;
        // Samplers see these.
        TagList tags = new() { { "http.request.method", known }, { "url.path", path }, { "network.protocol.name", "http" } };
        if (route is not null)
            tags.Add("http.route", route);
        if (server is not null)
            tags.Add(ServerInstruments.NameTag, server);
        Activity? activity = TryStart(route is null ? known == method ? method : "HTTP" : $"{method} {route}", ActivityKind.Server, parent, tags, []);
        if (activity is null && (hasParent || baggage.Length > 0))
            activity = Carrier(parent);
        foreach ((string key, string? value) in baggage)
            activity?.AddBaggage(key, value);
        Activity.Current = outer;
        return activity;
    }

    /// <summary>Ends the span of a handshake with its answer.</summary>
    public static void EndHandshake(Activity handshake, int status, long? client, string? subprotocol)
    {
        if (handshake.IsAllDataRequested)
            handshake.SetTag("http.response.status_code", status).SetTag(ClientTag, client).SetTag("websocket.subprotocol", subprotocol);
        if (status >= 500)
            handshake.SetStatus(ActivityStatusCode.Error);
        End(handshake);
    }

    /// <summary>Begins the span of a connection, below that of its handshake and with its baggage. What handlers begin is below it.</summary>
    public static Activity BeginConnection(Activity handshake, long client, string? server) =>
        Begin("websocket.connection", ActivityKind.Internal, handshake.Context, [], handshake, server, [new(ClientTag, client)]);

    /// <summary>Ends the span of a connection.</summary>
    public static void EndConnection(Activity connection, DisconnectCause cause, int code)
    {
        if (connection.IsAllDataRequested)
            connection.SetTag("websocket.disconnect.cause", ServerMetrics.SnakeCase(cause.ToString())).SetTag("websocket.close.code", code);
        End(connection);
    }

    /// <summary>
    /// Begins the span of a message: of a trace of its own, since a client may stay for days, with a link to the connection and its baggage. If it is not sampled, the activity is not recorded, and
    /// neither is what begins below it.
    /// </summary>
    /// <param name="connection">That of the client.</param>
    /// <param name="client">Its id.</param>
    /// <param name="server">The name of the server; null for none.</param>
    /// <param name="size">Of the payload, in bytes.</param>
    /// <param name="isText">Whether it is a text message.</param>
    public static Activity BeginMessage(Activity connection, long client, string? server, int size, bool isText) => Begin(
        "websocket.message",
        ActivityKind.Consumer,
        default,
        [new ActivityLink(connection.Context)],
        connection,
        server,
        [new(ClientTag, client), new("websocket.message.size", size), new("websocket.message.type", isText ? "text" : "binary")]);

    // It has the baggage of the one that it follows. The current activity stays.
    private static Activity Begin(
        string name, ActivityKind kind, ActivityContext parent, ActivityLink[] links, Activity follows, string? server, ReadOnlySpan<KeyValuePair<string, object?>> of)
    {
        TagList tags = new(of);
        if (server is not null)
            tags.Add(ServerInstruments.NameTag, server);
        Activity? outer = Activity.Current;
        Activity.Current = null;
        Activity activity = TryStart(name, kind, parent, tags, links) ?? Carrier(parent);
        foreach ((string key, string? value) in follows.Baggage)
            activity.AddBaggage(key, value);
        Activity.Current = outer;
        return activity;
    }

    /// <summary>Ends a span. Further calls do nothing.</summary>
    public static void End(Activity activity)
    {
        try
        {
            activity.Stop();
        }
        catch (Exception)
        {
            // A listener is code of the host. What it throws must not end a connection.
        }
    }

    // The propagator may be the host's.
    private static bool TryExtract(Func<string, string?> header, out ActivityContext parent, out KeyValuePair<string, string?>[] baggage)
    {
        try
        {
            DistributedContextPropagator propagator = DistributedContextPropagator.Current;
            void Get(object? carrier, string name, out string? value, out IEnumerable<string>? values) => (value, values) = (header(name), null);
            propagator.ExtractTraceIdAndState(null, Get, out string? id, out string? state);
            baggage = [.. propagator.ExtractBaggage(null, Get) ?? []];
            return ActivityContext.TryParse(id, state, isRemote: true, out parent);
        }
        catch (Exception)
        {
            (parent, baggage) = (default, []);
            return false;
        }
    }

    private static Activity? TryStart(string name, ActivityKind kind, ActivityContext parent, in TagList tags, ActivityLink[] links)
    {
        try
        {
            return Source.StartActivity(kind, parent, tags, links, name: name);
        }
        catch (Exception)
        {
            Activity.Current = null; // it may have begun
            return null;
        }
    }

    private static Activity Carrier(ActivityContext parent)
    {
        Activity carrier = new("websocket") { IsAllDataRequested = false };
        carrier.SetIdFormat(ActivityIdFormat.W3C);
        if (parent != default)
            carrier.SetParentId(parent.TraceId, parent.SpanId, parent.TraceFlags);
        carrier.TraceStateString = parent.TraceState;
        return carrier.Start();
    }
}
