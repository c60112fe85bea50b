using System.Runtime.CompilerServices;

namespace WebSocketServerKit.TestKit;

/// <summary>
/// Asks again and again whether something has come about. Only for what gives no signal that a test could await: counters of the system, the garbage collector,
/// fields of the product. Whatever calls, completes or raises something is awaited instead.
/// </summary>
internal static class Polling
{
    /// <summary>Yields until the condition holds; fails after 30 s, or after <paramref name="deadline"/>.</summary>
    /// <param name="condition">What has to come about.</param>
    /// <param name="deadline">The longest that it may take, or null for 30 s.</param>
    /// <param name="name">The condition in the failure's message.</param>
    public static async Task UntilAsync(Func<bool> condition, TimeSpan? deadline = null, [CallerArgumentExpression(nameof(condition))] string name = "")
    {
        TimeSpan most = deadline ?? TimeSpan.FromSeconds(30);
        long start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            if (TimeProvider.System.GetElapsedTime(start) >= most)
                Assert.Fail($"Not within {most.TotalSeconds} s: {name}");
            await Task.Yield();
        }
    }
}
