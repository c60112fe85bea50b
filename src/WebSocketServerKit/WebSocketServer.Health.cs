using System.Net;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// What orchestrators and load balancers ask.
public sealed partial class WebSocketServer
{
    private static readonly KeyValuePair<string, string>[] NoStore = [new("Cache-Control", "no-store")];
    private static readonly KeyValuePair<string, string>[] AllowedMethods = [new("Allow", "GET, HEAD"), .. NoStore];

    /// <summary>How the server does at this moment. It costs little, however many clients there are: it may be asked as often as you like. Also while the server is stopped.</summary>
    public WebSocketServerHealth Health
    {
        get
        {
            ServerRun? run = Volatile.Read(ref _run);
            return run is null
                ? new WebSocketServerHealth(false, false, false, 0, _options.MaxClients, 0, _options.EffectiveMaxBufferedBytes, false, TimeSpan.Zero)
                : new WebSocketServerHealth(
                    true, run.EndPoints.Count > 0, Volatile.Read(ref _stopping) is not null, Clients.Count, run.MaxClients, run.Budget.Used, run.Budget.Limit, run.Budget.IsShort, run.Heartbeat.Lateness,
                    Clients.Node?.IsConnected);
        }
    }

    /// <summary>
    /// Answers the health checks of orchestrators and load balancers on the server's own port, as plain HTTP: <c>server.AnswerHealth()</c>.
    /// <list type="bullet">
    /// <item><paramref name="livePath"/>: 200 as long as the server answers at all, also while it stops or is full. A check that fails here makes an orchestrator kill the program with all its clients.</item>
    /// <item><paramref name="readyPath"/>: 200 if <see cref="WebSocketServerHealth.IsAccepting"/>, else 503: while the server stops (set <see cref="StopOptions.ReadinessDelay"/>, so that somebody can
    /// see it), or is full.</item>
    /// </list>
    /// The body is one line of text: <see cref="WebSocketServerHealth.ToString"/>. It must not be cached (<c>no-store</c>). Methods other than GET and HEAD get 405.
    /// </summary>
    /// <param name="livePath">The path of the check whether the program works; null for none.</param>
    /// <param name="readyPath">The path of the check whether clients should be sent here; null for none.</param>
    /// <returns>This server.</returns>
    /// <remarks>
    /// Other requests are left to other handlers of <see cref="HttpRequestReceived"/>. A list in <see cref="WebSocketServerOptions.AllowedHosts"/> holds for these requests too: add the host that the
    /// check names, or it gets 421. The limits on handshakes and of an address hold as well: beyond them a check gets 503 like everybody. Anybody who can connect can ask.
    /// </remarks>
    /// <exception cref="ArgumentException">A path does not begin with a slash.</exception>
    public WebSocketServer AnswerHealth(string? livePath = "/healthz", string? readyPath = "/readyz")
    {
        Check(livePath, nameof(livePath));
        Check(readyPath, nameof(readyPath));
        HttpRequestReceived += (_, e) =>
        {
            string path = e.Request.Path;
            if (e.IsAnswered || (path != livePath && path != readyPath))
                return;
            if (e.Request.Method is not ("GET" or "HEAD"))
            {
                e.Respond(HttpStatusCode.MethodNotAllowed, "Use GET or HEAD.\n", headers: AllowedMethods);
                return;
            }

            WebSocketServerHealth health = Health;
            bool isWell = path == livePath || health.IsAccepting;
            e.Respond(isWell ? HttpStatusCode.OK : HttpStatusCode.ServiceUnavailable, $"{health}\n", headers: NoStore);
        };
        return this;

        static void Check(string? path, string parameter)
        {
            if (path is not null && !path.StartsWith('/'))
                throw new ArgumentException($"\"{path}\" is no path. It begins with a slash: \"/healthz\".", parameter);
        }
    }
}
