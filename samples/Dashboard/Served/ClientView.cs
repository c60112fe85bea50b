using WebSocketServerKit;

namespace Dashboard.Served;

/// <summary>Which clients a page shows.</summary>
/// <param name="Number">The page's number for this view; reports repeat it.</param>
/// <param name="Sheet">Which <see cref="SheetSize"/> clients of the list, from 0. One behind the last stands for the last.</param>
/// <param name="Filter">A part of the number, path, address or user agent of those in the list; empty for all.</param>
/// <param name="Watched">Clients of which the page wants to know whether they are online, shown or not.</param>
internal sealed record ClientView(long Number, int Sheet, string Filter, IReadOnlyList<long> Watched)
{
    /// <summary>How many clients a page shows at once.</summary>
    public const int SheetSize = 50;

    /// <summary>How long a filter may be.</summary>
    public const int MaxFilterLength = 200;

    /// <summary>How many clients may be watched.</summary>
    public const int MaxWatched = 8;

    /// <summary>What a page shows before it asks for something else.</summary>
    public static ClientView First { get; } = new(0, 0, "", []);

    /// <summary>Whether the view costs no more than a view may.</summary>
    public bool IsValid => Sheet >= 0 && Filter.Length <= MaxFilterLength && Watched.Count <= MaxWatched;

    /// <summary>The clients that this view shows now, the first to come first.</summary>
    public ClientSheet Of(ClientRegistry clients)
    {
        List<WebSocketClient> matching = [.. Filter.Length == 0 ? clients : clients.Where(client => ClientRow.Matches(client, Filter))];
        int sheet = Math.Min(Sheet, Math.Max(0, matching.Count - 1) / SheetSize);
        return new ClientSheet(
            this,
            sheet,
            matching.Count,
            [.. matching.OrderBy(client => client.Id).Skip(sheet * SheetSize).Take(SheetSize)],
            [.. Watched.Where(id => clients.Find(id) is not null)]);
    }
}

/// <summary>What a view shows at one moment.</summary>
/// <param name="View">The view.</param>
/// <param name="Sheet">The sheet that is shown.</param>
/// <param name="Matching">How many clients the list has, on all sheets.</param>
/// <param name="Clients">Those on the sheet.</param>
/// <param name="Online">Those of the watched clients that are online.</param>
internal sealed record ClientSheet(ClientView View, int Sheet, int Matching, IReadOnlyList<WebSocketClient> Clients, IReadOnlyList<long> Online);
