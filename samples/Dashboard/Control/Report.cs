using Dashboard.Served;

namespace Dashboard.Control;

/// <summary>What a page is told: everything when it comes, then four times a second what is new.</summary>
/// <param name="Type"><c>whole</c> or <c>news</c>.</param>
/// <param name="Now">The server's clock, in Unix milliseconds, like all times here.</param>
/// <param name="Endpoint">Whether and where the server listens.</param>
/// <param name="Relay">Where received messages go.</param>
/// <param name="Totals">Exact counts since the program began.</param>
/// <param name="ClientCount">How many clients are connected.</param>
/// <param name="Clients">Those of them that are listed, at most <see cref="ServedEndpoint.MaxListedClients"/>.</param>
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
    IReadOnlyList<ClientRow> Clients,
    IReadOnlyList<MessageSample> Messages,
    IReadOnlyList<Passage> Passages,
    IReadOnlyList<Second> Seconds);
