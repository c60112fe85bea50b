using Dashboard.Served;

namespace Dashboard.Control;

/// <summary>What a page is told: everything when it comes, then four times a second what is new.</summary>
/// <param name="Type"><c>whole</c> or <c>news</c>.</param>
/// <param name="Now">The server's clock, in Unix milliseconds, like all times here.</param>
/// <param name="Endpoint">Whether and where the server listens.</param>
/// <param name="Relay">Where received messages go.</param>
/// <param name="Totals">Exact counts since the program began.</param>
/// <param name="ClientCount">How many clients are connected.</param>
/// <param name="Clients">Those that this page shows.</param>
/// <param name="FirstKept">From this number on, messages can be read and forwarded.</param>
/// <param name="Messages">Samples; where their numbers leave a gap, messages are not shown.</param>
/// <param name="Passages">Samples in the same way.</param>
/// <param name="Seconds">Points for the charts.</param>
internal sealed record Report(
    string Type,
    long Now,
    EndpointState Endpoint,
    Relay Relay,
    Totals Totals,
    int ClientCount,
    ClientsReport Clients,
    long FirstKept,
    IReadOnlyList<MessageSample> Messages,
    IReadOnlyList<Passage> Passages,
    IReadOnlyList<Second> Seconds);

/// <summary>The clients that a page shows: who they are, and of each what the page does not know yet.</summary>
/// <param name="View">The number of the view that this is.</param>
/// <param name="Sheet">Which sheet of the list is shown, from 0.</param>
/// <param name="Matching">How many clients the list has, on all sheets.</param>
/// <param name="Ids">Those on the sheet, in their order.</param>
/// <param name="Rows">Of those the ones that were not on it in the report before.</param>
/// <param name="Counters">Of those the ones with new counters.</param>
/// <param name="Online">Those of the watched clients that are online.</param>
internal sealed record ClientsReport(
    long View,
    int Sheet,
    int Matching,
    IReadOnlyList<long> Ids,
    IReadOnlyList<ClientRow> Rows,
    IReadOnlyList<ClientCounters> Counters,
    IReadOnlyList<long> Online);

/// <summary>What happened since the report before.</summary>
internal sealed record News(IReadOnlyList<MessageSample> Messages, IReadOnlyList<Passage> Passages, IReadOnlyList<Second> Seconds)
{
    /// <summary>Nothing but what a report always holds.</summary>
    public static News None { get; } = new([], [], []);
}
