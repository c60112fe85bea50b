using System.Collections.Concurrent;

namespace WebSocketServerKit.Contract;

/// <summary>A window's kind of context: one thread that runs what is posted, in order. It can be closed like a window, and then it throws like one.</summary>
internal sealed class SingleThread : SynchronizationContext, IDisposable
{
    private readonly BlockingCollection<(SendOrPostCallback Callback, object? State)> _work = [];
    private readonly Thread _thread;

    public SingleThread()
    {
        _thread = new Thread(Run) { IsBackground = true };
        _thread.Start();
    }

    public bool IsCurrent => Thread.CurrentThread == _thread;

    public override void Post(SendOrPostCallback d, object? state) => _work.Add((d, state));

    /// <summary>Lets the thread do what it has, and end.</summary>
    public void Close()
    {
        _work.CompleteAdding();
        Assert.True(_thread.Join(TimeSpan.FromSeconds(30)));
    }

    public void Dispose()
    {
        Close();
        _work.Dispose();
    }

    private void Run()
    {
        foreach ((SendOrPostCallback callback, object? state) in _work.GetConsumingEnumerable())
            callback(state);
    }
}
