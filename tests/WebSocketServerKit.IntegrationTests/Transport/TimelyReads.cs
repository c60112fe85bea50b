using System.IO.Pipelines;

namespace WebSocketServerKit.Transport;

/// <summary>Reads that fail when they would hang. The reader itself takes no token: a read is ended by its owner.</summary>
internal static class TimelyReads
{
    public static Task<ReadResult> ReadTimelyAsync(this PipeReader reader) =>
        reader.ReadAsync(CancellationToken.None).AsTask().WaitAsync(AcceptedConnections.Timely);
}
