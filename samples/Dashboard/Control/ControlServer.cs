using System.Net;
using System.Net.WebSockets;
using Dashboard.Served;
using WebSocketServerKit;

namespace Dashboard.Control;

/// <summary>Serves the page, carries out what it asks for, and tells it what happens.</summary>
internal sealed class ControlServer : IAsyncDisposable
{
    private const string ControlPath = "/control";
    private const int ReportsPerSecond = 4;

    private readonly WebFiles _files = new();
    private readonly ServedEndpoint _served = new();
    private readonly WebSocketServer _control;
    private readonly CancellationTokenSource _stopping = new();
    private Task _reporting = Task.CompletedTask;

    public ControlServer(IPEndPoint endPoint)
    {
        // The default origin rule stays: a page may connect from this very host and port alone. It trusts the Host header, which is checked here.
        _control = new WebSocketServer(new WebSocketServerOptions { Urls = [$"http://{endPoint}"], MaxMessageSize = 4 * 1024 * 1024, StopTimeout = TimeSpan.FromSeconds(2) });
        _control.HttpRequestReceived += (_, e) =>
        {
            if (HostCheck.Accepts(e.Request.Host))
                _files.Answer(e);
            else
                e.Respond(HttpStatusCode.MisdirectedRequest, WrongHost);
        };
        _control.Handshaking += (_, e) =>
        {
            if (!HostCheck.Accepts(e.Request.Host))
                e.Refuse(HttpStatusCode.MisdirectedRequest, WrongHost);
            else if (e.Request.Path != ControlPath)
                e.Refuse(HttpStatusCode.NotFound, $"Only {ControlPath} is served here.\n");
        };
        _control.ClientConnected += (_, e) =>
        {
            Viewer viewer = new(e.Client, e.Request.Origin, _served);
            e.Client.State = viewer;
            viewer.Tell(News.None);
        };
        _control.OnMessage(ObeyAsync);
    }

    /// <summary>Where the page is.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_control.EndPoints[0];

    private IEnumerable<Viewer> Viewers => _control.Clients.Select(page => page.State).OfType<Viewer>();

    private static string WrongHost => "Use the address of this machine, or localhost: other names are not accepted here.\n";

    public async Task StartAsync()
    {
        await _control.StartAsync();
        _reporting = ReportAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
            return;
        await _stopping.CancelAsync();
        await _reporting;
        await _control.DisposeAsync(); // first, so that no command comes any more
        await _served.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task ObeyAsync(WebSocketClient page, MessageReceivedEventArgs message)
    {
        if (Json.ReadCommand(message.Payload) is not { } command)
        {
            await page.CloseAsync(CloseCode.PolicyViolation, "This is no command.");
            return;
        }

        Reply reply;
        try
        {
            reply = new Reply(command.Id, Ok: true, await CarryOutAsync(command, page.GetState<Viewer>()));
        }
        catch (Exception problem) when (problem is RefusedCommandException or IOException)
        {
            reply = new Reply(command.Id, Ok: false, problem.Message);
        }

        await page.SendAsync(Json.Write(reply), WebSocketMessageType.Text);
    }

    private async Task<string> CarryOutAsync(Command command, Viewer viewer) => command switch
    {
        Open open => await _served.OpenAsync(open.Address, open.Port, open.Tls, open.AnyOrigin ? ["*"] : OwnOrigins(viewer.Origin)),
        Close => await _served.CloseAsync(),
        Disconnect disconnect => _served.Disconnect(disconnect.Client),
        Send send => _served.Send(send.Client, send.Binary, send.Data),
        Forward forward => _served.Forward(forward.Message, forward.Client),
        Read read => _served.Read(read.Message),
        SetRelay set => _served.SetRelay(set.Relay),
        SetView set => Look(viewer, set.View),
        _ => throw new RefusedCommandException($"There is no command {command.GetType().Name}."),
    };

    private static string Look(Viewer viewer, ClientView view)
    {
        if (!view.IsValid)
            throw new RefusedCommandException($"A filter has at most {ClientView.MaxFilterLength} characters; sheets count from 0; at most {ClientView.MaxWatched} clients are watched.");
        viewer.Look(view);
        return "";
    }

    // The clients of the page may connect to the server that it opens, whichever name of this machine the browser uses.
    private HashSet<string> OwnOrigins(string? origin)
    {
        int port = EndPoint.Port;
        HashSet<string> origins = new(StringComparer.Ordinal) { $"http://127.0.0.1:{port}", $"http://localhost:{port}", $"http://[::1]:{port}" };
        if (origin is not null)
            origins.Add(origin);
        return origins;
    }

    // The clock of the page: it runs without a page too, so that the charts have a past.
    private async Task ReportAsync()
    {
        using PeriodicTimer timer = new(TimeSpan.FromSeconds(1) / ReportsPerSecond);
        try
        {
            for (int report = 1; await timer.WaitForNextTickAsync(_stopping.Token); report++)
            {
                Second? second = report % ReportsPerSecond == 0 ? _served.EndSecond() : null;
                // Taken in any case: it makes room for the next samples.
                News news = new(_served.Messages.TakeNew(), _served.Passages.TakeNew(), second is null ? [] : [second]);
                foreach (Viewer viewer in Viewers)
                    viewer.Tell(news);
                if (second is not null)
                    _served.Ping(Viewers.SelectMany(viewer => viewer.Shown));
            }
        }
        catch (OperationCanceledException)
        {
            // The program ends.
        }
    }
}
