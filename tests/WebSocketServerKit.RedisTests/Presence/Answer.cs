using System.Runtime.CompilerServices;
using StackExchange.Redis;

namespace WebSocketServerKit.Presence;

/// <summary>Waits for what Redis is told in the background.</summary>
internal static class Answer
{
    /// <summary>Asks until the answer is the expected one; fails after 30 s. A Redis that is away is asked again.</summary>
    public static async Task UntilAsync<T>(T expected, Func<Task<T>> query, [CallerArgumentExpression(nameof(query))] string name = "")
    {
        long start = TimeProvider.System.GetTimestamp();
        object? last = null;
        while (TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(30))
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            try
            {
                T answer = await query();
                if (EqualityComparer<T>.Default.Equals(answer, expected))
                    return;
                last = answer;
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException)
            {
                last = exception;
            }

            await Task.Yield();
        }

        Assert.Fail($"Not {expected} within 30 s, but {last}: {name}");
    }
}
