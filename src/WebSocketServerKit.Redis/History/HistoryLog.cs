using Microsoft.Extensions.Logging;
using WebSocketServerKit.Diagnostics;

namespace WebSocketServerKit.History;

/// <summary>The log messages of histories.</summary>
internal sealed partial class HistoryLog(ILogger logger)
{
    private readonly ILogger _logger = logger;

    [LoggerMessage(1, LogLevel.Error, "The message {Offset} of the stream {Stream} could not be formatted. Clients are told of a gap.")]
    public partial void FormatFailed(PeerText stream, PeerText offset, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "The stream {Stream} could not be read for clients that have missed messages. It is tried again.")]
    public partial void ReadFailed(PeerText stream, Exception exception);

    [LoggerMessage(3, LogLevel.Error, "A handler of Gap has failed.")]
    public partial void GapHandlerFailed(Exception exception);

    [LoggerMessage(4, LogLevel.Debug, "The channel of the stream {Stream} could not be unsubscribed.")]
    public partial void UnsubscribeFailed(PeerText stream, Exception exception);

    [LoggerMessage(5, LogLevel.Warning, "It could not be checked whether messages of streams were missed. It is tried again.")]
    public partial void RefreshFailed(Exception exception);
}
