using System.Diagnostics;
using System.Globalization;

namespace WebSocketServerKit.Testing;

/// <summary>The real time that a wait may take, so that a test that would hang fails and says what it waited for. There is no limit while a debugger is attached.</summary>
internal static class Guard
{
    /// <summary>The task; or an exception that says what was awaited.</summary>
    /// <exception cref="TimeoutException">It was not complete in time.</exception>
    public static async Task WaitAsync(Task task, TimeSpan timeout, Func<string> what, CancellationToken cancellationToken)
    {
        try
        {
            await task.WaitAsync(Debugger.IsAttached ? Timeout.InfiniteTimeSpan : timeout, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException exception)
        {
            if (!task.IsCompleted)
                throw new TimeoutException($"Waited {Shown(timeout)} for {what()}", exception);
            await task.ConfigureAwait(false); // it was complete just in time
        }
    }

    /// <inheritdoc cref="WaitAsync(Task, TimeSpan, Func{string}, CancellationToken)"/>
    public static async Task<T> WaitAsync<T>(Task<T> task, TimeSpan timeout, Func<string> what, CancellationToken cancellationToken)
    {
        await WaitAsync((Task)task, timeout, what, cancellationToken).ConfigureAwait(false);
        return await task.ConfigureAwait(false);
    }

    /// <summary>A timeout that is positive or infinite.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is neither.</exception>
    public static TimeSpan Checked(TimeSpan timeout) => timeout > TimeSpan.Zero || timeout == Timeout.InfiniteTimeSpan
        ? timeout
        : throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "The timeout has to be positive, or Timeout.InfiniteTimeSpan for none.");

    public static bool IsOver(TimeSpan timeout, long began) =>
        timeout != Timeout.InfiniteTimeSpan && !Debugger.IsAttached && TimeProvider.System.GetElapsedTime(began) > timeout;

    public static string Shown(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###} s");
}
