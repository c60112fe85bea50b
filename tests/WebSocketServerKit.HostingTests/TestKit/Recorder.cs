using System.Threading.Channels;

namespace WebSocketServerKit.TestKit;

/// <summary>What handlers and services of a test do, in order. Thread-safe.</summary>
internal sealed class Recorder
{
    private readonly Channel<string> _steps = Channel.CreateUnbounded<string>();

    public void Add(string step) => _steps.Writer.TryWrite(step);

    public async Task<string> NextAsync() => await _steps.Reader.ReadAsync(TestHost.Timely);

    public async Task<string[]> NextAsync(int count)
    {
        string[] steps = new string[count];
        for (int i = 0; i < count; i++)
            steps[i] = await NextAsync();
        return steps;
    }

    /// <summary>All that nobody has taken.</summary>
    public List<string> Drain()
    {
        List<string> steps = [];
        while (_steps.Reader.TryRead(out string? step))
            steps.Add(step);
        return steps;
    }

    public void AssertNoMore() => Assert.False(_steps.Reader.TryRead(out string? step), step);
}
