using System.Diagnostics.CodeAnalysis;
using System.Net;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Opening;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Serving.Paths;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Serving;

/// <summary>
/// Decides about one request: by the server's rules first, then by the host's handlers. It exists until the client is connected. Used by one thread at a time.
/// </summary>
internal sealed class RequestDecision(ClientSession session) : IRequestDecision
{
    private const string FailedToDecide = "The server failed to decide about this request. Try again later.\n";

    private HandshakingEventArgs? _handshaking;      // not null if the host is asked about a WebSocket handshake
    private HttpRequestReceivedEventArgs? _http;     // not null if it is a plain HTTP request
    private HandshakeResponse? _refusal;             // not null if the server's rules refuse the request
    private PathMatch? _match;                       // null if it is a plain HTTP request, or the server has no paths
    private ServedPath? _served;                     // what the options of that path are in this run

    /// <summary>The request; null until it is received.</summary>
    public HandshakeRequest? Request { get; private set; }

    /// <summary>Not null once the handshake is accepted.</summary>
    public WebSocketClient? Client { get; private set; }

    public HandshakeResponse Refuse(HandshakeViolation violation)
    {
        HandshakeResponse answer = HandshakeResponse.Refuse(violation);
        session.Run.AdviseOnTls(violation, session);
        return Refused(answer, violation.ToString());
    }

    public HandshakeResponse TurnAway(Admission admission)
    {
        HandshakeResponse answer = admission == Admission.TooSlow
            ? HandshakeResponse.Refuse(HttpStatusCode.RequestTimeout, "The request did not come in time. Send it right after connecting.\n")
            : HandshakeResponse.Refuse(HttpStatusCode.ServiceUnavailable, WhyUnavailable(admission), headers: [new("Retry-After", admission == Admission.Stopping ? session.Run.Plan.NextRetryAfter() : "5")]);
        return Refused(answer, admission.ToString());
    }

    public bool Begin(HandshakeRequest request)
    {
        Request = request;
        bool isForwarded = ReadForwardedHeaders(request);
        session.Attribute();
        // A check whether the server lives must not fail because it is full. Other limits hold for everybody.
        if (session.Admission is not (Admission.Admitted or Admission.PlainRequestOnly))
        {
            _refusal = TurnAway(session.Admission);
            return false;
        }

        bool isServed = !request.IsWebSocket || FindPath(request);
        session.BeginTrace(request, _match?.Path);
        HandshakeViolation violation = request.IsWebSocket ? HandshakeRules.Check(request) : HandshakeViolation.None;
        if (violation == HandshakeViolation.None && session.Transport.Facts is not { IsOriginChecked: true })
            violation = (_served?.Access ?? session.Run.Access).Check(request, isForwarded && request.IsWebSocket ? IPAddress.Any : EndPointAddress.Of(session.LocalEndPoint));
        if (violation == HandshakeViolation.None && !isServed)
            violation = HandshakeViolation.UnknownPath;
        if (violation != HandshakeViolation.None)
        {
            session.Run.Advise(violation, request, _match?.Path);
            _refusal = Refuse(violation);
            return false;
        }

        // Plain requests are still answered, such as those of a readiness check.
        if (request.IsWebSocket && session.Run.IsStopping)
        {
            _refusal = TurnAway(Admission.Stopping);
            return false;
        }

        // The host need not decide about a client for which there is no place.
        if (_match is { Path.IsFull: true })
        {
            _refusal = RefuseFull();
            return false;
        }

        if (!request.IsWebSocket)
        {
            _http = new HttpRequestReceivedEventArgs(request, session.RemoteEndPoint, session.LocalEndPoint, session);
            return session.Server.HasHttpRequestHandlers;
        }

        if (!session.Server.HasHandshakingHandlers && _match?.Path.HandshakingHandlers is null)
            return false;
        _handshaking = new HandshakingEventArgs(request, session.RemoteEndPoint, session.LocalEndPoint, SelectSubprotocol(request), session, _match);
        return true;
    }

    /// <summary>Asks the host.</summary>
    public void Raise()
    {
        if (_handshaking is not null && _match is not null)
            session.Server.RaiseHandshaking(_handshaking, session, _match.Path);
        else if (_handshaking is not null)
            session.Server.RaiseHandshaking(_handshaking, session);
        else
            session.Server.RaiseHttpRequestReceived(_http!, session);
    }

    public HandshakeResponse End(OpeningHandshake opening)
    {
        _handshaking?.Decide();
        _http?.Decide();
        HandshakeResponse answer = Answer(Request!, opening);
        session.TraceAnswer(answer, Client);
        return answer;
    }

    private HandshakeResponse Answer(HandshakeRequest request, OpeningHandshake opening)
    {
        if (_refusal is not null)
            return _refusal;
        if (opening.HasHandlerFailed)
            return _http is null ? RefuseUndecided() : HandshakeResponse.Refuse(HttpStatusCode.InternalServerError, FailedToDecide);
        if (_http is not null)
        {
            opening.IsAnsweredByHost = _http.Answer is not null;
            return _http.Answer ?? Refuse(HandshakeRules.Check(request));
        }

        if (session.Run.IsStopping)
            return TurnAway(Admission.Stopping);
        if (_handshaking?.Refusal is { } refusal)
        {
            return Refused(refusal, "by the host", "Host");
        }

        if (!TryChooseSettings(out ConnectionSettings? settings))
            return RefuseUndecided();
        if (_match is not null && !session.TryTakePlace(_match.Path))
            return RefuseFull();
        if (RefuseSession() is { } noSession)
        {
            session.ReleasePlaces();
            return noSession;
        }

        session.Apply(settings);
        string? extensions = opening.AgreeOnExtensions(request.Headers["Sec-WebSocket-Extensions"]);
        string? subprotocol = _handshaking is null ? SelectSubprotocol(request) : _handshaking.Subprotocol;
        if (subprotocol is null && request.RequestedSubprotocols.Count > 0 && SelectSubprotocol(request) is null)
            session.Run.AdviseOnSubprotocols(request.RequestedSubprotocols, _match?.Path);
        Client = new WebSocketClient(session.Server.NextClientId(), session, request, _handshaking, subprotocol, extensions, session.Run.UtcNow(), _match);
        session.ExpiresAt = _handshaking?.ExpiresAt;
        session.Server.Metrics.HandshakeAnswered((int)HttpStatusCode.SwitchingProtocols, reason: null);
        return HandshakeResponse.Accept(subprotocol, extensions, _handshaking?.ResponseHeaders);
    }

    private HandshakeResponse RefuseUndecided() => Refused(HandshakeResponse.Refuse(HttpStatusCode.InternalServerError, FailedToDecide), "its handler has failed", "HandlerFailed");

    // The reason for the log, and where that is a sentence, its name for the metrics.
    private HandshakeResponse Refused(HandshakeResponse answer, string reason, string? name = null)
    {
        session.Run.Log.RequestRefused(session.RemoteEndPoint, (int)answer.Status, reason);
        session.Server.Metrics.HandshakeAnswered((int)answer.Status, name ?? reason);
        return answer;
    }

    // Null if the session has not expired, and its user has a place for it.
    private HandshakeResponse? RefuseSession()
    {
        if (_handshaking?.ExpiresAt <= session.Run.UtcNow())
        {
            // RFC 9110 15.5.2: "The server generating a 401 response MUST send a WWW-Authenticate header field".
            var expired = HandshakeResponse.Refuse(
                HttpStatusCode.Unauthorized, "The session has expired. Sign in again.\n", headers: [new("WWW-Authenticate", "Bearer error=\"invalid_token\"")]);
            return Refused(expired, "its session has expired", "SessionExpired");
        }

        string? userId = _handshaking?.UserId ?? WebSocketClient.IdOf(_handshaking is null ? session.Transport.Facts?.User : _handshaking.User);
        if (userId is null || session.TryTakeUserPlace(userId))
            return null;
        return Refused(
            HandshakeResponse.Refuse(HttpStatusCode.TooManyRequests, "There are too many connections of this user. Close one, or try again later.\n"), "its user has too many connections", "TooManyFromUser");
    }

    // False if the server has paths and none of them matches.
    private bool FindPath(HandshakeRequest request)
    {
        if (session.Server.Paths is not { } paths)
            return true;
        if (!paths.TryFind(WithoutBase(request.Path), out WebSocketPath? path, out PathValues? values))
            return false;
        _match = values is null ? path.WithoutValues : new PathMatch(path, values);
        _served = session.Run.Serve(path);
        return true;
    }

    private string WithoutBase(string path)
    {
        if (session.Transport.Facts?.PathBase?.TrimEnd('/') is not { Length: > 0 } start || !path.StartsWith(start, StringComparison.Ordinal))
            return path;
        string further = path[start.Length..];
        return further.Length == 0 ? "/" : further[0] == '/' ? further : path;
    }

    private HandshakeResponse RefuseFull()
    {
        var answer = HandshakeResponse.Refuse(HttpStatusCode.ServiceUnavailable, "There are too many clients at this path. Try again later.\n", headers: [new("Retry-After", "5")]);
        return Refused(answer, "the path has as many clients as its MaxClients", "PathFull");
    }

    // False if a handler has set invalid options: that is treated as an exception of the handler.
    private bool TryChooseSettings([NotNullWhen(true)] out ConnectionSettings? settings)
    {
        settings = _served?.Settings ?? session.Run.Settings;
        if (_handshaking?.ChosenOptions is not { } options)
            return true;
        try
        {
            options.ValidateClient($"{nameof(HandshakingEventArgs)}.{nameof(HandshakingEventArgs.Options)}");
        }
        catch (ArgumentException invalid)
        {
            session.HandlerFailed(invalid);
            return false;
        }

        settings = options.ApplyTo(_served?.Base ?? session.Run.Settings);
        return true;
    }

    // Takes over what a trusted proxy has told in headers. A page that a browser of this machine shows cannot send them with a WebSocket handshake. Its plain requests may have them, so for those
    // the rule against DNS rebinding stays.
    private bool ReadForwardedHeaders(HandshakeRequest request)
    {
        request.IsSecure = session.Transport.IsSecure ?? (session.Proxy?.Header is { IsSecure: true } ? true : null);
        if (!session.Run.ReadsForwardedHeaders || !session.Run.TrustedProxies.Contains(session.RemoteEndPoint))
            return false;
        // A proxy that passes bytes on, and names no address of the client in its PROXY header, has not written these headers.
        if (session.Proxy?.Header is { Source: not IPEndPoint })
            return false;
        ForwardedClient client = ForwardedHeaders.Resolve(request.Headers, session.Run.ForwardedHeaders, session.Run.TrustedProxies.Contains);
        if (client.EndPoint is not null)
        {
            ProxyConnection proxy = session.Proxy ?? new ProxyConnection(session.Transport.RemoteEndPoint, session.Transport.LocalEndPoint, header: null);
            session.Locate(proxy.WithClient(client.EndPoint));
        }

        request.Host = client.Host ?? request.Host;
        request.IsSecure = client.Scheme is { } scheme ? scheme is "https" : request.IsSecure;
        return client is not { EndPoint: null, Host: null, Scheme: null };
    }

    private string? SelectSubprotocol(HandshakeRequest request) => SubprotocolSelection.Select(request.RequestedSubprotocols, _served?.Subprotocols ?? session.Run.Subprotocols);

    private static string WhyUnavailable(Admission admission) => admission switch
    {
        Admission.TooManyFromAddress => "There are too many connections from your address. Close some, or try again later.\n",
        Admission.Stopping => "The server is being stopped. Try again later.\n",
        _ => "The server is full at present. Try again later.\n",
    };
}
