using System.Diagnostics.CodeAnalysis;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Connections.Handling;

namespace WebSocketServerKit.Serving;

/// <summary>
/// A request to a client, from the moment before it is sent until its reply has come or is given up. The function that knows the reply is called in place of the handlers of a message.
/// <para>It ends once: with the reply, with what the function threw, with the end of the client, or with the time or the token of the caller.</para>
/// </summary>
internal sealed class PendingRequest<T> : PendingReply, IDisposable
{
    private readonly WebSocketClient _client;
    private readonly ConnectionLifetime _connection;
    private readonly Func<MessageReceivedEventArgs, T?> _match;
    private readonly TimeSpan _timeout;
    private readonly CancellationToken _callers;
    private readonly CancellationTokenSource _end; // cancelled when the time is over, or the caller's token is cancelled
    private readonly CancellationTokenRegistration _registration;
    private readonly TaskCompletionSource<T> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _handledRun; // the event whose handlers ran when the request began, or 0
    private bool _isSent;

    public PendingRequest(WebSocketClient client, ConnectionLifetime connection, Func<MessageReceivedEventArgs, T?> match, TimeSpan timeout, CancellationToken cancellationToken)
    {
        _client = client;
        _connection = connection;
        _match = match;
        _timeout = timeout;
        _callers = cancellationToken;
        HandlerScope handlers = connection.Handlers;
        long run = handlers.Run;
        _handledRun = (run & 1) != 0 ? run : 0;
        // A handler of this client waits for its own client's next message: it would wait for ever. A handler that has left its context is not recognised.
        if (_handledRun != 0 && (SynchronizationContext.Current == handlers || handlers.IsLoopThread))
        {
            // 5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message"
            if (connection.Receive.Parts is { HasRest: true })
                throw new InvalidOperationException("The client cannot reply before its own message has ended, and this handler has not read that to its end. Read it to its end, or dispose of it, before the request.");
            handlers.LeaveAlone(HandlersEnd.GoOn, run);
        }

        _end = new CancellationTokenSource(timeout, connection.Heartbeat.TimeProvider);
        _registration = cancellationToken.UnsafeRegister(static end => ((CancellationTokenSource)end!).Cancel(), _end);
        if (!connection.Replies.TryAdd(this))
            Lose();
    }

    /// <summary>For the send of the request: cancelled when nobody waits for the reply any more.</summary>
    public CancellationToken Token => _end.Token;

    /// <summary>Completes with the reply. Call it once.</summary>
    /// <param name="sending">The send of the request.</param>
    public async Task<T> WhenRepliedAsync(ValueTask sending)
    {
        using (this)
        {
            try
            {
                await sending.ConfigureAwait(false);
                _isSent = true;
                return await _reply.Task.WaitAsync(_end.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException exception) when (exception.CancellationToken == _end.Token)
            {
                // The reply may have come at the same moment. It was taken from the handlers, so it must not be lost.
                if (!_reply.TrySetCanceled(CancellationToken.None))
                    return await _reply.Task.ConfigureAwait(false);
                _callers.ThrowIfCancellationRequested();
                throw new TimeoutException(WhyLate(), exception);
            }
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "What the host's function throws fails the request, and not the client.")]
    public override bool TryTake(long run)
    {
        if (_reply.Task.IsCompleted)
            return false;
        try
        {
            return _match(new MessageReceivedEventArgs(_client, _connection.MessageType, run)) is { } reply && _reply.TrySetResult(reply);
        }
        catch (Exception exception)
        {
            Fail(exception);
            return false;
        }
    }

    public override void Lose() => Fail(_client.HasNotReplied());

    public void Dispose()
    {
        _connection.Replies.Remove(this);
        _registration.Dispose();
        _end.Dispose();
    }

    private void Fail(Exception exception)
    {
        if (_reply.TrySetException(exception))
            _ = _reply.Task.Exception; // counts as observed: the caller may get the exception of the send instead
    }

    private string WhyLate()
    {
        if (!_isSent)
            return $"The request to {_client} was not sent within {_timeout}: the client reads too slowly, so its send queue has been full.";
        string late = $"{_client} did not reply within {_timeout}.";
        if (_connection.Handlers.IsPosted)
            return late + " A message of it waits for the EventContext, whose thread is busy. If that thread waits for the reply, it has to await it, and must not block.";
        if (_connection.Queue is { IsSlow: true, Policy: SlowClientPolicy.DropNewest or SlowClientPolicy.DropOldest })
            late += " It reads slowly, and SlowClients lets messages be dropped: the request may be one of them.";
        return _handledRun != 0 && _connection.Handlers.Run == _handledRun
            ? late + " All this time a handler of this client has been running, and has held back the client's messages. If that handler waits for the reply, it must not block its thread, "
                + "and must not have been resumed after an await with ConfigureAwait(false); or it calls ContinueReceiving of its event's arguments before the request."
            : late;
    }
}
