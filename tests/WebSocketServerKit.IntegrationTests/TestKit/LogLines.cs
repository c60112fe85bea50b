using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace WebSocketServerKit.TestKit;

/// <summary>Keeps what the server logs.</summary>
internal sealed class LogLines : ILoggerFactory
{
    private readonly FakeLogger _logger = new();

    public IReadOnlyList<FakeLogRecord> All => _logger.Collector.GetSnapshot();

    /// <summary>The warnings and errors, without the one that tells of an event loop that is blocked: on a busy machine, the lock of this logger can block it for long.</summary>
    public IReadOnlyList<FakeLogRecord> Troubles => [.. All.Where(line => line.Level > LogLevel.Information && line.Id.Id != 40)];

    /// <summary>The lines of one event, by its id in ServerLog.</summary>
    public IReadOnlyList<FakeLogRecord> Of(int id) => [.. All.Where(line => line.Id.Id == id)];

    public ILogger CreateLogger(string categoryName) => _logger;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
        // Nothing is held.
    }
}
