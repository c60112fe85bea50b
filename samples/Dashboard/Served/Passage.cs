namespace Dashboard.Served;

/// <summary>A client came or left.</summary>
/// <param name="Number">Which entry of the log it is, from 1.</param>
/// <param name="Time">When, in Unix milliseconds.</param>
/// <param name="Client">The client's id.</param>
/// <param name="Path">Its path, shortened.</param>
/// <param name="Address">Where it comes from.</param>
/// <param name="End">How it left; null when it came.</param>
internal sealed record Passage(long Number, long Time, long Client, string Path, string Address, PassageEnd? End);

/// <summary>How a client left.</summary>
/// <param name="Code">The close code.</param>
/// <param name="Reason">The reason that came or went with it.</param>
/// <param name="Cause">The first cause, as the library names it.</param>
/// <param name="ByServer">Whether the server ended it.</param>
internal sealed record PassageEnd(int Code, string Reason, string Cause, bool ByServer);
