namespace WebSocketServerKit;

/// <summary>The keys of <c>Stop</c> in a configuration: the properties of <see cref="StopOptions"/>, with the close code as a number. Null leaves the default.</summary>
internal sealed class StopSection
{
    public int? Code { get; set; }

    public string? Reason { get; set; }

    public TimeSpan? ReadinessDelay { get; set; }

    public TimeSpan? Spread { get; set; }

    public TimeSpan? RetryAfter { get; set; }

    public TimeSpan? Timeout { get; set; }

    public void ApplyTo(StopOptions options)
    {
        options.Code = Code is { } code ? new CloseCode(code) : options.Code;
        options.Reason = Reason ?? options.Reason;
        options.ReadinessDelay = ReadinessDelay ?? options.ReadinessDelay;
        options.Spread = Spread ?? options.Spread;
        options.RetryAfter = RetryAfter ?? options.RetryAfter;
        options.Timeout = Timeout ?? options.Timeout;
    }
}
