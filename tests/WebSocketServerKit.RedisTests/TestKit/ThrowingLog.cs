using Microsoft.Extensions.Logging;

namespace WebSocketServerKit.TestKit;

/// <summary>A log that cannot be written.</summary>
internal sealed class ThrowingLog : ILoggerFactory, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => throw new IOException("The log is full.");

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => throw new IOException("The log is full.");

    public void Dispose()
    {
    }
}
