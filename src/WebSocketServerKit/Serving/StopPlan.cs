using System.Globalization;

namespace WebSocketServerKit.Serving;

/// <summary>How one stop of a server goes: a copy of the host's <see cref="StopOptions"/>. Immutable, thread-safe.</summary>
/// <param name="options">Options that were validated.</param>
internal sealed class StopPlan(StopOptions options)
{
    private readonly string _reason = options.Reason;
    private readonly (int Least, int Most)? _retrySeconds = options.RetrySeconds;

    public StopPlan(CloseCode code, string reason)
        : this(new StopOptions { Code = code, Reason = reason })
    {
    }

    /// <summary>The plan of a stop without options.</summary>
    public static StopPlan Default { get; } = new(new StopOptions());

    public CloseCode Code { get; } = options.Code;

    public TimeSpan ReadinessDelay { get; } = options.ReadinessDelay;

    public TimeSpan Spread { get; } = options.Spread;

    /// <summary>Null for the server's.</summary>
    public TimeSpan? Timeout { get; } = options.Timeout;

    /// <summary>Whether the server still listens for a while.</summary>
    public bool KeepsListening => ReadinessDelay > TimeSpan.Zero || Spread > TimeSpan.Zero;

    /// <summary>The reason for the next client, with its own retry hint.</summary>
    public string NextReason() => _retrySeconds is null ? _reason : StopOptions.Hint(_reason, NextSeconds());

    /// <summary>The value of the <c>Retry-After</c> header for the next client.</summary>
    public string NextRetryAfter() => _retrySeconds is null ? "5" : NextSeconds().ToString(CultureInfo.InvariantCulture);

    /// <summary>When a client gets its Close frame, from the begin of the spread on. Later for each further one, and never after the spread.</summary>
    /// <param name="index">Its place in the order.</param>
    /// <param name="count">How many there are.</param>
    public TimeSpan Due(int index, int count) => Spread * ((index + Random.Shared.NextDouble()) / count);

    private int NextSeconds() => Random.Shared.Next(_retrySeconds!.Value.Least, _retrySeconds.Value.Most + 1);
}
