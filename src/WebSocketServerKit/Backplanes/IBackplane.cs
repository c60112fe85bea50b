namespace WebSocketServerKit;

/// <summary>
/// Carries what is meant for clients of other servers: see <see cref="WebSocketServer.UseBackplane"/>. It knows channels and bytes, and nothing of clients. <see cref="InProcessBackplane"/> connects the
/// servers of one process; the package WebSocketServerKit.Redis those of several machines.
/// </summary>
/// <remarks>Implement it to use another message broker. One instance may connect several servers.</remarks>
public interface IBackplane
{
    /// <summary>Connects a server. Called by <see cref="WebSocketServer.StartAsync"/> before the server listens; what it throws fails the start.</summary>
    /// <param name="receiver">The server. It may receive messages as soon as it has subscribed to a channel.</param>
    /// <param name="cancellationToken">That of <see cref="WebSocketServer.StartAsync"/>.</param>
    ValueTask<IBackplaneConnection> ConnectAsync(IBackplaneReceiver receiver, CancellationToken cancellationToken);
}

/// <summary>The connection of one server to its <see cref="IBackplane"/>. Thread-safe. Disposed of when the server has stopped.</summary>
public interface IBackplaneConnection : IAsyncDisposable
{
    /// <summary>Whether messages can come and go at this moment.</summary>
    bool IsConnected { get; }

    /// <summary>
    /// Asks for the messages of a channel. When it has completed, every message that another server publishes from then on comes to <see cref="IBackplaneReceiver.Receive"/>. It is not called again for
    /// the same channel before <see cref="UnsubscribeAsync"/> has completed.
    /// </summary>
    /// <param name="channel">A name of any characters.</param>
    /// <exception cref="Exception">Any exception: the server logs it and tries again.</exception>
    Task SubscribeAsync(string channel);

    /// <summary>Asks for no more messages of a channel. Some may still come. Exceptions are logged.</summary>
    /// <param name="channel">A channel for which <see cref="SubscribeAsync"/> has completed.</param>
    Task UnsubscribeAsync(string channel);

    /// <summary>Whether another server may have subscribed to a channel. Called for each message, so it only looks at memory. False means that nobody else has, and the message need not be published.</summary>
    /// <param name="channel">A name of any characters.</param>
    bool IsWanted(string channel);

    /// <summary>Publishes a message to the other servers that have subscribed to a channel. Messages of one thread for one channel keep their order. Never waits.</summary>
    /// <param name="channel">A name of any characters.</param>
    /// <param name="message">Not changed after the call.</param>
    /// <returns>False if the message is dropped: the connection is lost, or too much is waiting to be sent.</returns>
    bool TryPublish(string channel, ReadOnlyMemory<byte> message);

    /// <summary>Publishes a message, and waits until the broker has it.</summary>
    /// <param name="channel">A name of any characters.</param>
    /// <param name="message">Not changed after the call.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many other servers it was sent to.</returns>
    /// <exception cref="IOException">The broker cannot be reached.</exception>
    Task<int> PublishAsync(string channel, ReadOnlyMemory<byte> message, CancellationToken cancellationToken);
}

/// <summary>The side of a server that an <see cref="IBackplaneConnection"/> calls.</summary>
public interface IBackplaneReceiver
{
    /// <summary>Tells the server from all others: <see cref="WebSocketServer.NodeId"/>.</summary>
    string NodeId { get; }

    /// <summary>
    /// Takes messages. Call it for the messages of one channel one after the other, in the order in which they were published; those that have come together in one call, since what they are sent as then
    /// leaves in fewer writes. It does not wait, and throws nothing. Messages that the server has published itself may be left out; they are dropped if they come.
    /// </summary>
    /// <param name="channel">The channel of the messages.</param>
    /// <param name="messages">May be changed after the call.</param>
    void Receive(string channel, ReadOnlySpan<ReadOnlyMemory<byte>> messages);
}
