using System.Runtime.CompilerServices;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Serving;

namespace WebSocketServerKit;

// Messages that are read while they are received.
public sealed partial class WebSocketServer
{
    private Func<WebSocketClient, MessageStream, ValueTask>? _readMessage;

    /// <summary>
    /// Sets the function that reads large messages while they are received: <c>server.OnMessageStream(async (client, message) => await message.CopyToAsync(file))</c>. It gets the messages of
    /// <see cref="WebSocketServerOptions.StreamMessagesFrom"/> bytes or more, in place of <see cref="MessageReceived"/>, as soon as it is known that they are that large. Without that option it gets none.
    /// A path may have a function of its own.
    /// </summary>
    /// <param name="handler">
    /// Called like a handler of an event; the client's next message waits until it has ended. <see cref="WebSocketServerOptions.HandlerExceptions"/> says what an exception does. It must return a task.
    /// </param>
    /// <returns>This server.</returns>
    /// <remarks>
    /// Set it before clients connect: those that are connected already keep having their messages raised as a whole. What the function does not read is passed over. The server answers control
    /// frames between the fragments as far as it has received; while the function does not read, it receives no more than that.
    /// </remarks>
    /// <exception cref="InvalidOperationException">There is a function already: a message can be read only once.</exception>
    [OverloadResolutionPriority(1)]
    public WebSocketServer OnMessageStream(Func<WebSocketClient, MessageStream, ValueTask> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        if (Interlocked.CompareExchange(ref _readMessage, handler, null) is not null)
            throw new InvalidOperationException("OnMessageStream was called before, and a message can be read only once. Decide in one function what is done with a message.");
        return this;
    }

    /// <inheritdoc cref="OnMessageStream(Func{WebSocketClient, MessageStream, ValueTask})"/>
    public WebSocketServer OnMessageStream(Func<WebSocketClient, MessageStream, Task> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return OnMessageStream((client, message) => new ValueTask(AwaitedHandler.TaskOf(handler(client, message))));
    }

    internal Func<WebSocketClient, MessageStream, ValueTask>? MessageStreamHandler => Volatile.Read(ref _readMessage);

    internal static void RaiseMessageStream(Func<WebSocketClient, MessageStream, ValueTask> handler, MessageStream message, ConnectionLifetime connection)
    {
        try
        {
            AwaitedHandler.Follow(ReadAsync(handler, message));
        }
        catch (Exception exception)
        {
            connection.HandlerFailed(exception);
        }
    }

    private static async ValueTask ReadAsync(Func<WebSocketClient, MessageStream, ValueTask> handler, MessageStream message)
    {
        await using (message.ConfigureAwait(false))
            await handler(message.Client, message).ConfigureAwait(false);
    }
}
