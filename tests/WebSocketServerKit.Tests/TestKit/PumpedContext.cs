using System.Threading.Channels;

namespace WebSocketServerKit.TestKit;

/// <summary>A window's context whose thread is the test: what is posted runs when the test wants it.</summary>
internal sealed class PumpedContext : SynchronizationContext
{
    private readonly Channel<(SendOrPostCallback Callback, object? State)> _posted = Channel.CreateUnbounded<(SendOrPostCallback, object?)>();

    /// <summary>How many callbacks wait.</summary>
    public int Waiting => _posted.Reader.Count;

    public override void Post(SendOrPostCallback d, object? state) => Assert.True(_posted.Writer.TryWrite((d, state)));

    /// <summary>Runs one callback, as soon as there is one.</summary>
    public async Task RunNextAsync()
    {
        (SendOrPostCallback callback, object? state) = await _posted.Reader.ReadAsync().InTime();
        callback(state);
    }
}
