using System.Runtime.CompilerServices;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Messages that are read while they are received.
public sealed partial class WebSocketPath
{
    private Func<WebSocketClient, MessageStream, ValueTask>? _readMessage;

    /// <summary>
    /// Sets the function that reads large messages of the path's clients while they are received, in place of that of the server. See
    /// <see cref="WebSocketServer.OnMessageStream(Func{WebSocketClient, MessageStream, ValueTask})"/>. It gets the messages from <see cref="ClientOptions.StreamMessagesFrom"/> on.
    /// </summary>
    /// <param name="handler">As that of the server.</param>
    /// <returns>This path.</returns>
    /// <exception cref="InvalidOperationException">There is a function already: a message can be read only once.</exception>
    [OverloadResolutionPriority(1)]
    public WebSocketPath OnMessageStream(Func<WebSocketClient, MessageStream, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        if (Interlocked.CompareExchange(ref _readMessage, handler, null) is not null)
            throw new InvalidOperationException($"OnMessageStream of {Template} was called before, and a message can be read only once. Decide in one function what is done with a message.");
        return this;
    }

    /// <inheritdoc cref="OnMessageStream(Func{WebSocketClient, MessageStream, ValueTask})"/>
    public WebSocketPath OnMessageStream(Func<WebSocketClient, MessageStream, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return OnMessageStream((client, message) => new ValueTask(AwaitedHandler.TaskOf(handler(client, message))));
    }

    internal Func<WebSocketClient, MessageStream, ValueTask>? MessageStreamHandler => Volatile.Read(ref _readMessage);
}
