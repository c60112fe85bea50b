using System.Net.WebSockets;
using Dashboard.Served;
using WebSocketServerKit;

namespace Dashboard.Control;

/// <summary>A page that is open somewhere: what it shows of the clients, and what it knows of them. Thread-safe.</summary>
/// <param name="page">Its connection.</param>
/// <param name="origin">Where the browser got the page from.</param>
/// <param name="served">What it shows.</param>
internal sealed class Viewer(WebSocketClient page, string? origin, ServedEndpoint served)
{
    private readonly Lock _gate = new();
    private ClientView _view = ClientView.First;
    private Dictionary<long, ClientCounters>? _known; // null until a whole report is on its way

    public string? Origin => origin;

    /// <summary>The clients that the page shows.</summary>
    public IReadOnlyList<long> Shown
    {
        get
        {
            lock (_gate)
                return _known is null ? [] : [.. _known.Keys];
        }
    }

    /// <summary>The page shows other clients from now on, and is told of them at once.</summary>
    public void Look(ClientView view)
    {
        lock (_gate)
            _view = view;
        Tell(News.None);
    }

    /// <summary>
    /// Sends a report: everything the first time, then what is new. It never waits: a page that reads too slowly misses a report. What changed of the clients
    /// comes with the next one then.
    /// </summary>
    public void Tell(News news)
    {
        lock (_gate)
        {
            bool isWhole = _known is null;
            ClientSheet sheet = served.Show(_view);
            Dictionary<long, ClientCounters> counters = sheet.Clients.Select(ClientCounters.Of).ToDictionary(client => client.Id);
            ClientsReport clients = new(
                sheet.View.Number,
                sheet.Sheet,
                sheet.Matching,
                [.. sheet.Clients.Select(client => client.Id)],
                [.. sheet.Clients.Where(client => !Knows(client.Id)).Select(ClientRow.Of)],
                [.. counters.Values.Where(client => !Knows(client.Id) || _known![client.Id] != client)],
                sheet.Online);
            // What is in it and not yet reported comes once more in the next report; the page knows by the numbers.
            News told = isWhole ? new News(served.Messages.Latest(), served.Passages.Latest(), served.Meter.Past()) : news;
            Report report = new(
                isWhole ? "whole" : "news",
                DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(),
                served.State,
                served.Relay,
                served.Meter.Totals,
                served.ClientCount,
                clients,
                served.FirstKept,
                told.Messages,
                told.Passages,
                told.Seconds);
            if (page.TrySend(Json.Write(report), WebSocketMessageType.Text).IsAccepted)
                _known = counters;
        }
    }

    private bool Knows(long id) => _known is not null && _known.ContainsKey(id);
}
