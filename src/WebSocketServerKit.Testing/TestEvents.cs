using System.Buffers;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Serving;
using WebSocketServerKit.Serving.Paths;
using WebSocketServerKit.Testing.Memory;

namespace WebSocketServerKit.Testing;

/// <summary>
/// Makes the arguments of events, for the unit test of one handler: <c>await handler.OnMessageAsync(client.ServerSide, TestEvents.MessageReceived(client.ServerSide, "hello"))</c>. The client that they
/// are about is real; <see cref="TestClient.StandAloneAsync"/> gives one.
/// </summary>
/// <remarks>
/// Nothing happens on the server: the event is not raised, and the order of events is the test's. To test handlers with everything around them, connect a client and let it send
/// (<see cref="TestingExtensions.ConnectAsync"/>).
/// </remarks>
public static class TestEvents
{
    /// <summary>A text message of the client. It stays valid as long as its client exists, while a real one ends with its handlers.</summary>
    public static MessageReceivedEventArgs MessageReceived(WebSocketClient client, string text)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(text);
        return MadeMessages.Add(client, WebSocketMessageType.Text, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>A binary message of the client. Otherwise like <see cref="MessageReceived(WebSocketClient, string)"/>.</summary>
    public static MessageReceivedEventArgs MessageReceived(WebSocketClient client, ReadOnlyMemory<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(client);
        return MadeMessages.Add(client, WebSocketMessageType.Binary, payload.ToArray());
    }

    /// <summary>The client has connected.</summary>
    /// <param name="client">The client.</param>
    /// <param name="configure">Sets the headers of its request. The path and the query are the client's.</param>
    /// <exception cref="ArgumentException">No server would accept this request: a header is not valid.</exception>
    public static ClientConnectedEventArgs ClientConnected(WebSocketClient client, Action<TestClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        string target = string.Join('/', client.Path.Split('/').Select(Uri.EscapeDataString)) + (client.QueryString.Length == 0 ? "" : "?" + client.QueryString);
        return new ClientConnectedEventArgs(client, Request(target, TestClientOptions.Of(configure)), NoRun);
    }

    /// <summary>The client has left.</summary>
    /// <param name="client">The client.</param>
    /// <param name="cause">Why it has left.</param>
    /// <param name="code">The code of the first Close frame; null for the one that goes with the cause: 1006 for a lost connection, 1001 for a server that stops, 1000 for a client that closed.</param>
    /// <param name="reason">The reason of that Close frame.</param>
    /// <param name="closedBy">Which side ended the connection; null for the one that goes with the cause.</param>
    /// <param name="exception">The exception that ended the connection.</param>
    public static ClientDisconnectedEventArgs ClientDisconnected(
        WebSocketClient client,
        DisconnectCause cause = DisconnectCause.Closed,
        CloseCode? code = null,
        string reason = "",
        ConnectionSide? closedBy = null,
        Exception? exception = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(reason);
        CloseCode closeCode = code ?? CodeOf(cause);
        ConnectionSide side = closedBy ?? (cause is DisconnectCause.Closed or DisconnectCause.ConnectionLost ? ConnectionSide.Client : ConnectionSide.Server);
        return new ClientDisconnectedEventArgs(client, new ConnectionEnding(cause, side, closeCode, reason, exception), wasClean: closeCode != CloseCode.AbnormalClosure);
    }

    /// <summary>
    /// A client asks to connect. After the handler has run, <see cref="HandshakingEventArgs.IsRefused"/> and <see cref="RefusalOf"/> tell what it has decided, and the settable properties what it has
    /// set. <see cref="HandshakingEventArgs.Subprotocol"/> starts as null. Without a server there is no <see cref="HandshakingEventArgs.MatchedPath"/>.
    /// </summary>
    /// <param name="target">The path and the query of its request, percent-encoded.</param>
    /// <param name="configure">Sets headers, subprotocols, user and address of the client.</param>
    /// <param name="server">The server whose paths are compared with the request; null for none.</param>
    /// <exception cref="ArgumentException">No server would accept this request: the target or a header is not valid.</exception>
    public static HandshakingEventArgs Handshaking(string target = "/", Action<TestClientOptions>? configure = null, WebSocketServer? server = null)
    {
        ArgumentNullException.ThrowIfNull(target);
        TestClientOptions options = TestClientOptions.Of(configure);
        HandshakeRequest request = Request(target, options);
        PathMatch? match = null;
        if (server?.Paths is { } paths && paths.TryFind(request.Path, out WebSocketPath? path, out PathValues? values))
            match = values is null ? path.WithoutValues : new PathMatch(path, values);
        return new HandshakingEventArgs(request, options.RemoteEndPoint ?? Unknown, options.LocalEndPoint ?? Unknown, subprotocol: null, match: match) { User = options.User };
    }

    /// <summary>A plain HTTP request was received. After the handler has run, <see cref="AnswerOf"/> tells its answer.</summary>
    /// <param name="target">The path and the query, percent-encoded.</param>
    /// <param name="configure">Sets headers and address of the client.</param>
    /// <exception cref="ArgumentException">No server would accept this request: the target or a header is not valid.</exception>
    public static HttpRequestReceivedEventArgs HttpRequestReceived(string target = "/", Action<TestClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(target);
        TestClientOptions options = TestClientOptions.Of(configure);
        return new HttpRequestReceivedEventArgs(Request(target, options, isPlain: true), options.RemoteEndPoint ?? Unknown, options.LocalEndPoint ?? Unknown);
    }

    /// <summary>The session of the client ends soon.</summary>
    public static ClientExpiringEventArgs ClientExpiring(WebSocketClient client, DateTimeOffset expiresAt)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new ClientExpiringEventArgs(client, expiresAt);
    }

    /// <summary>The client sends more than it may.</summary>
    public static ClientOverRateEventArgs ClientOverRate(WebSocketClient client, RateLimitReaction reaction)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new ClientOverRateEventArgs(client, reaction);
    }

    /// <summary>The client has begun to read too slowly, or has taken all that was pending.</summary>
    public static ClientSlowEventArgs ClientSlow(WebSocketClient client, bool isSlow)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new ClientSlowEventArgs(client, isSlow);
    }

    /// <summary>The answer with which a handler has refused the client; null if it has not.</summary>
    public static TestResponse? RefusalOf(HandshakingEventArgs e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e.Refusal is { } refusal ? Shown(refusal) : null;
    }

    /// <summary>The headers that a handler has added to the answer that accepts the client, in their order.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> ResponseHeadersOf(HandshakingEventArgs e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e.ResponseHeaders ?? [];
    }

    /// <summary>The answer that a handler has given; null if it has given none.</summary>
    public static TestResponse? AnswerOf(HttpRequestReceivedEventArgs e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e.Answer is { } answer ? Shown(answer) : null;
    }

    // No run of a connection has this number, so ContinueReceiving does nothing.
    private const long NoRun = -1;

    private static readonly IPEndPoint Unknown = new(IPAddress.None, 0);

    private static TestResponse Shown(HandshakeResponse response) => new(response.Status, response.ReasonPhrase, response.Headers, Encoding.UTF8.GetString(response.Body.Span));

    private static HandshakeRequest Request(string target, TestClientOptions options, bool isPlain = false)
    {
        string head = isPlain ? ClientHandshake.PlainRequest(target, options) : ClientHandshake.Request(target, options, ClientHandshake.NewKey());
        HandshakeRequestParser parser = new(int.MaxValue, int.MaxValue);
        HandshakeParseStatus status = parser.Parse(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(head)), out _, out _);
        return status == HandshakeParseStatus.Complete
            ? parser.Request!
            : throw new ArgumentException($"The server would not accept this request ({parser.Violation}): a header or the target is not valid.", nameof(target));
    }

    private static CloseCode CodeOf(DisconnectCause cause) => cause switch
    {
        DisconnectCause.Closed => CloseCode.NormalClosure,
        DisconnectCause.ProtocolViolation => CloseCode.ProtocolError,
        DisconnectCause.HandlerFailed => CloseCode.InternalError,
        DisconnectCause.ServerStopping => CloseCode.GoingAway,
        DisconnectCause.MemoryBudgetExceeded => CloseCode.TryAgainLater,
        DisconnectCause.LimitExceeded => CloseCode.MessageTooBig,
        DisconnectCause.SlowClient or DisconnectCause.Expired => CloseCode.PolicyViolation,
        _ => CloseCode.AbnormalClosure,
    };
}
