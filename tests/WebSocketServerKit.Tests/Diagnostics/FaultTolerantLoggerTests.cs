using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace WebSocketServerKit.Diagnostics;

public sealed class FaultTolerantLoggerTests
{
    [Fact]
    public void What_a_logger_throws_is_dropped()
    {
        var logger = new FaultTolerantLogger(new ThrowingLogger());
        Assert.False(logger.IsEnabled(LogLevel.Critical));
        Assert.Null(logger.BeginScope("scope"));
        logger.Log(LogLevel.Critical, new EventId(1), "state", null, (state, _) => state);
    }

    [Fact]
    public void A_logger_that_works_gets_everything_as_it_is()
    {
        var inner = new FakeLogger();
        var logger = new FaultTolerantLogger(inner);
        var exception = new InvalidTimeZoneException();
        Assert.True(logger.IsEnabled(LogLevel.Debug));
        using (logger.BeginScope("scope"))
            logger.Log(LogLevel.Warning, new EventId(7, "Name"), "state", exception, (state, _) => $"formatted {state}");
        FakeLogRecord record = inner.LatestRecord;
        Assert.Equal((LogLevel.Warning, 7, "formatted state"), (record.Level, record.Id.Id, record.Message));
        Assert.Same(exception, record.Exception);
        Assert.Equal(["scope"], record.Scopes);
    }

    private sealed class ThrowingLogger : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => throw new IOException("disk full");

        public bool IsEnabled(LogLevel logLevel) => throw new IOException("disk full");

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new IOException("disk full");
    }
}
