namespace WebSocketServerKit.TestKit;

/// <summary>A backplane whose answers a test decides, with one connection.</summary>
internal sealed class ScriptedBackplane : IBackplane, IBackplaneConnection
{
    private readonly List<string> _calls = [];

    /// <summary>Called for each subscription, before it is confirmed.</summary>
    public Func<string, Task> Subscribing { get; set; } = _ => Task.CompletedTask;

    /// <summary>Returns how many other servers get a message.</summary>
    public Func<string, byte[], Task<int>> Publishing { get; set; } = (_, _) => Task.FromResult(0);

    public bool IsConnected { get; set; } = true;

    /// <summary>Whether somebody else wants the messages.</summary>
    public bool Wanted { get; set; } = true;

    /// <summary>Whether it takes messages.</summary>
    public bool Accepts { get; set; } = true;

    public IBackplaneReceiver Receiver { get; private set; } = null!;

    /// <summary>What was published, and where.</summary>
    public List<(string Channel, byte[] Message)> Published { get; } = [];

    /// <summary>The calls but for those of messages, in their order.</summary>
    public string[] Calls
    {
        get
        {
            lock (_calls)
                return [.. _calls];
        }
    }

    public ValueTask<IBackplaneConnection> ConnectAsync(IBackplaneReceiver receiver, CancellationToken cancellationToken)
    {
        Receiver = receiver;
        return ValueTask.FromResult<IBackplaneConnection>(this);
    }

    public Task SubscribeAsync(string channel)
    {
        Note($"+{channel}");
        return Subscribing(channel);
    }

    public Task UnsubscribeAsync(string channel)
    {
        Note($"-{channel}");
        return Task.CompletedTask;
    }

    public bool IsWanted(string channel) => Wanted;

    public bool TryPublish(string channel, ReadOnlyMemory<byte> message)
    {
        if (Accepts)
            Published.Add((channel, message.ToArray()));
        return Accepts;
    }

    public Task<int> PublishAsync(string channel, ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => Publishing(channel, message.ToArray());

    public ValueTask DisposeAsync()
    {
        Note("disposed");
        return ValueTask.CompletedTask;
    }

    private void Note(string call)
    {
        lock (_calls)
            _calls.Add(call);
    }
}
