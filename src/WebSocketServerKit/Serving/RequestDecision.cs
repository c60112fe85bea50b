using System.Net;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Serving;

/// <summary>
/// Decides about one request: by the server's rules first, then by the host's handlers. It exists until the client is connected. Used by one thread at a time.
/// </summary>
internal sealed class RequestDecision(WebSocketServer server, ServerRun run, ClientSession session) : IRequestDecision
{
    private const string FailedToDecide = "The server failed to decide about this request. Try again later.\n";

    private HandshakingEventArgs? _handshaking;      // not null if the host is asked about a WebSocket handshake
    private HttpRequestReceivedEventArgs? _http;     // not null if it is a plain HTTP request
    private HandshakeResponse? _refusal;             // not null if the server's rules refuse the request

    /// <summary>The request; null until it is received.</summary>
    public HandshakeRequest? Request { get; private set; }

    /// <summary>Not null once the handshake is accepted.</summary>
    public WebSocketClient? Client { get; private set; }

    public HandshakeResponse Refuse(HandshakeViolation violation)
    {
        HandshakeResponse answer = HandshakeResponse.Refuse(violation);
        run.AdviseOnTls(violation, session);
        run.Log.RequestRefused(session.RemoteEndPoint, (int)answer.Status, violation.ToString());
        return answer;
    }

    public HandshakeResponse TurnAway(Admission admission)
    {
        HandshakeResponse answer = admission == Admission.TooSlow
            ? HandshakeResponse.Refuse(HttpStatusCode.RequestTimeout, "The request did not come in time. Send it right after connecting.\n")
            : HandshakeResponse.Refuse(HttpStatusCode.ServiceUnavailable, WhyUnavailable(admission), headers: [new("Retry-After", "5")]);
        run.Log.RequestRefused(session.RemoteEndPoint, (int)answer.Status, admission.ToString());
        return answer;
    }

    public bool Begin(HandshakeRequest request)
    {
        Request = request;
        bool isForwarded = ReadForwardedHeaders(request);
        session.Attribute();
        if (session.Admission != Admission.Admitted)
        {
            _refusal = TurnAway(session.Admission);
            return false;
        }

        HandshakeViolation violation = request.IsWebSocket ? HandshakeRules.Check(request) : HandshakeViolation.None;
        if (violation == HandshakeViolation.None && session.Transport.Facts is not { IsOriginChecked: true })
            violation = run.Access.Check(request, isForwarded && request.IsWebSocket ? IPAddress.Any : EndPointAddress.Of(session.LocalEndPoint));
        if (violation != HandshakeViolation.None)
        {
            run.Advise(violation, request);
            _refusal = Refuse(violation);
            return false;
        }

        if (!request.IsWebSocket)
        {
            _http = new HttpRequestReceivedEventArgs(request, session.RemoteEndPoint, session.LocalEndPoint, session);
            return server.HasHttpRequestHandlers;
        }

        if (!server.HasHandshakingHandlers)
            return false;
        _handshaking = new HandshakingEventArgs(request, session.RemoteEndPoint, session.LocalEndPoint, SelectSubprotocol(request), session);
        return true;
    }

    /// <summary>Asks the host.</summary>
    public void Raise()
    {
        if (_handshaking is not null)
            server.RaiseHandshaking(_handshaking, session);
        else
            server.RaiseHttpRequestReceived(_http!, session);
    }

    public HandshakeResponse End(OpeningHandshake opening)
    {
        _handshaking?.Decide();
        _http?.Decide();
        return Answer(Request!, opening);
    }

    private HandshakeResponse Answer(HandshakeRequest request, OpeningHandshake opening)
    {
        if (_refusal is not null)
            return _refusal;
        if (opening.HasHandlerFailed)
            return HandshakeResponse.Refuse(HttpStatusCode.InternalServerError, FailedToDecide);
        if (_http is not null)
            return _http.Answer ?? Refuse(HandshakeRules.Check(request));
        if (run.IsStopping)
            return TurnAway(Admission.Stopping);
        if (_handshaking?.Refusal is { } refusal)
        {
            run.Log.RequestRefused(session.RemoteEndPoint, (int)refusal.Status, "by the host");
            return refusal;
        }

        if (_handshaking?.ChosenOptions is { } options && !TryApply(options))
            return HandshakeResponse.Refuse(HttpStatusCode.InternalServerError, FailedToDecide);
        string? extensions = opening.AgreeOnExtensions(request.Headers["Sec-WebSocket-Extensions"]);
        string? subprotocol = _handshaking is null ? SelectSubprotocol(request) : _handshaking.Subprotocol;
        if (subprotocol is null && request.RequestedSubprotocols.Count > 0 && SelectSubprotocol(request) is null)
            run.AdviseOnSubprotocols(request.RequestedSubprotocols);
        Client = new WebSocketClient(server.NextClientId(), session, request, _handshaking, subprotocol, extensions, run.UtcNow());
        return HandshakeResponse.Accept(request.Key!, subprotocol, extensions, _handshaking?.ResponseHeaders);
    }

    // Invalid options are a mistake of the handler that has set them.
    private bool TryApply(ClientOptions options)
    {
        try
        {
            options.ValidateClient($"{nameof(HandshakingEventArgs)}.{nameof(HandshakingEventArgs.Options)}");
        }
        catch (ArgumentException invalid)
        {
            session.HandlerFailed(invalid);
            return false;
        }

        session.Apply(options.ApplyTo(run.Settings));
        return true;
    }

    // Takes over what a trusted proxy has told in headers. A page that a browser of this machine shows cannot send them with a WebSocket handshake. Its plain requests may have them, so for those
    // the rule against DNS rebinding stays.
    private bool ReadForwardedHeaders(HandshakeRequest request)
    {
        request.IsSecure = session.Transport.IsSecure ?? (session.Proxy?.Header is { IsSecure: true } ? true : null);
        if (!run.ReadsForwardedHeaders || !run.TrustedProxies.Contains(session.RemoteEndPoint))
            return false;
        // A proxy that passes bytes on, and names no address of the client in its PROXY header, has not written these headers.
        if (session.Proxy?.Header is { Source: not IPEndPoint })
            return false;
        ForwardedClient client = ForwardedHeaders.Resolve(request.Headers, run.ForwardedHeaders, run.TrustedProxies.Contains);
        if (client.EndPoint is not null)
        {
            ProxyConnection proxy = session.Proxy ?? new ProxyConnection(session.Transport.RemoteEndPoint, session.Transport.LocalEndPoint, header: null);
            session.Locate(proxy.WithClient(client.EndPoint));
        }

        request.Host = client.Host ?? request.Host;
        request.IsSecure = client.Scheme is { } scheme ? scheme is "https" : request.IsSecure;
        return client is not { EndPoint: null, Host: null, Scheme: null };
    }

    private string? SelectSubprotocol(HandshakeRequest request) => SubprotocolSelection.Select(request.RequestedSubprotocols, run.Subprotocols);

    private static string WhyUnavailable(Admission admission) => admission switch
    {
        Admission.TooManyFromAddress => "There are too many connections from your address. Close some, or try again later.\n",
        Admission.Stopping => "The server is being stopped. Try again later.\n",
        _ => "The server is full at present. Try again later.\n",
    };
}
