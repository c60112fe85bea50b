using System.Globalization;
using System.Text;
using WebSocketServerKit.Protocol.Closing;

namespace WebSocketServerKit;

/// <summary>
/// How <see cref="WebSocketServer.StopAsync(StopOptions, CancellationToken)"/> stops a server whose clients will connect to another one, or to the same one again. The defaults stop at once, like
/// <see cref="WebSocketServer.StopAsync(CancellationToken)"/>. The values are copied at the call.
/// </summary>
public sealed class StopOptions
{
    private static readonly TimeSpan Longest = TimeSpan.FromHours(12);

    /// <summary>The code of the Close frames. Default: 1001 (going away). 1012 tells that the server restarts.</summary>
    public CloseCode Code { get; set; } = CloseCode.GoingAway;

    /// <summary>The reason of the Close frames, at most 123 bytes as UTF-8, together with what <see cref="RetryAfter"/> adds. Default: <c>server is stopping</c>.</summary>
    public string Reason { get; set; } = "server is stopping";

    /// <summary>
    /// How long the server goes on as before once <see cref="WebSocketServer.IsReady"/> is false. Default: zero. Set it to the time in which a load balancer notices that, so that it sends no new
    /// clients by the time the server refuses them. At most 12 hours.
    /// </summary>
    public TimeSpan ReadinessDelay { get; set; }

    /// <summary>
    /// The time over which the clients get their Close frames, in random order and evenly, so that they do not all connect elsewhere at the same moment. Default: zero, all at once. During it
    /// the server still listens, refuses WebSocket handshakes with 503, and answers plain HTTP requests. It ends early when no client is left. At most 12 hours.
    /// </summary>
    public TimeSpan Spread { get; set; }

    /// <summary>
    /// When the clients shall come back. Default: null, which tells them nothing. Otherwise the reason of the Close frames ends with <c>; retry after 30 s</c>, and the 503 for handshakes has
    /// the same in its <c>Retry-After</c> header (which is 5 s without this). From one second to 24 hours.
    /// </summary>
    /// <remarks>
    /// Each client gets a number of seconds of its own, so that they do not all come back at the same moment: a random one between this and this plus <see cref="Spread"/>, or twice this if that
    /// is longer.
    /// </remarks>
    public TimeSpan? RetryAfter { get; set; }

    /// <summary>
    /// How long the server waits for clients to close and for handlers to end, from the end of <see cref="ReadinessDelay"/> and <see cref="Spread"/> on. Default: null, which is
    /// <see cref="WebSocketServerOptions.StopTimeout"/>. From one millisecond to 12 hours.
    /// </summary>
    public TimeSpan? Timeout { get; set; }

    /// <summary>The least and the most seconds of the retry hint; null without one.</summary>
    internal (int Least, int Most)? RetrySeconds
    {
        get
        {
            if (RetryAfter is not { } retryAfter)
                return null;
            int least = (int)Math.Ceiling(retryAfter.TotalSeconds);
            return (least, least + (int)Math.Ceiling(Math.Max(Spread.TotalSeconds, retryAfter.TotalSeconds)));
        }
    }

    /// <summary>The reason with a retry hint.</summary>
    internal static string Hint(string reason, int seconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{reason}{(reason.Length > 0 ? "; " : "")}retry after {seconds} s");

    /// <exception cref="ArgumentException">A value cannot be used; the message says why.</exception>
    internal void Validate()
    {
        if (Reason is null)
            throw new ArgumentException($"{Name(nameof(Reason))} is null. For no reason set it to \"\".");
        CloseFrame.Check(Code, Reason);
        Check(nameof(ReadinessDelay), ReadinessDelay, TimeSpan.Zero, Longest);
        Check(nameof(Spread), Spread, TimeSpan.Zero, Longest);
        if (RetryAfter is { } retryAfter)
            Check(nameof(RetryAfter), retryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromHours(24));
        if (Timeout is { } timeout)
            Check(nameof(Timeout), timeout, TimeSpan.FromMilliseconds(1), Longest);
        if (RetrySeconds is not { } seconds)
            return;
        int bytes = Encoding.UTF8.GetByteCount(Reason);
        int hint = Encoding.UTF8.GetByteCount(Hint(Reason, seconds.Most)) - bytes;
        if (bytes + hint > CloseFrame.MaxReasonBytes)
        {
            throw new ArgumentException(
                $"{Name(nameof(Reason))} takes {bytes} bytes as UTF-8, which leaves no room for \"{Hint(Reason, seconds.Most)[^hint..]}\": with this RetryAfter it may take {CloseFrame.MaxReasonBytes - hint}. Shorten it.");
        }
    }

    private static void Check(string name, TimeSpan value, TimeSpan least, TimeSpan most)
    {
        if (value < least || value > most)
            throw new ArgumentException($"{Name(name)} is {value}; it must be from {least} to {most}.");
    }

    private static string Name(string option) => $"{nameof(StopOptions)}.{option}";
}
