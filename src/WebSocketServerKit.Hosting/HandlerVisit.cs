using Microsoft.Extensions.DependencyInjection;

namespace WebSocketServerKit;

/// <summary>
/// A handler in its scope, for one client. <see cref="CallAsync"/> calls it; <see cref="LeaveAsync"/> ends the visit. The scope is disposed of when the visit and all calls have ended: a handler that
/// has called <c>ContinueReceiving</c> may run on while its client leaves.
/// <para>The calls begin one after the other, as the events of a client do; their asynchronous parts may overlap.</para>
/// </summary>
internal sealed class HandlerVisit
{
    private readonly WebSocketHandler _handler;
    private readonly WebSocketClient _client;
    private readonly AsyncServiceScope _scope;
    private readonly ClientLogScope _logScope;
    private readonly string _handlerName;
    private readonly string _serverName;
    private readonly HostingLog _log;
    private readonly ExecutionContext? _outside; // without the log scope
    private readonly ExecutionContext? _inside;  // with the log scope; null if no logger takes scopes
    private IDisposable? _loggerScope;
    private HandlerCall _call;                   // while a call begins
    private ValueTask _called;                   // the same
    private int _uses = 1;                       // the visit, and calls that have not ended

    public HandlerVisit(WebSocketHandler handler, WebSocketClient client, AsyncServiceScope scope, ClientLogScope logScope, string handlerName, string serverName, HostingLog log)
    {
        (_handler, _client, _scope, _logScope, _handlerName, _serverName, _log) = (handler, client, scope, logScope, handlerName, serverName, log);
        _outside = ExecutionContext.Capture();
        if (_outside is null)
            return;

        // A scope is a value of the execution context. Captured once, it costs a call neither memory nor a walk through the loggers.
        ExecutionContext? inside = null;
        ExecutionContext.Run(
            _outside,
            _ =>
            {
                _loggerScope = log.Logger.BeginScope(logScope);
                inside = ExecutionContext.Capture();
            },
            null);
        _inside = inside == _outside ? null : inside;
    }

    /// <summary>Calls the method for the event.</summary>
    public ValueTask CallAsync(HandlerCall call)
    {
        ValueTask called = _inside is null ? call.Invoke(_handler, _client) : CallInside(call);
        if (called.IsCompletedSuccessfully)
            return called;
        // The next event is not raised before this returns, so the visit cannot have ended yet.
        Interlocked.Increment(ref _uses);
        return EndAsync(called);
    }

    /// <summary>Ends the visit. Its last event has been raised.</summary>
    public ValueTask LeaveAsync()
    {
        if (Interlocked.Decrement(ref _uses) > 0)
            return default;
        if (_inside is not null)
            ExecutionContext.Run(_inside, static visit => ((HandlerVisit)visit!)._loggerScope?.Dispose(), this);
        return new ValueTask(DisposeAsync(_scope, _handlerName, _serverName, _client.Id, _log));
    }

    /// <summary>Disposes of a scope. An exception is logged.</summary>
    public static async Task DisposeAsync(AsyncServiceScope scope, string handlerName, string serverName, long clientId, HostingLog log)
    {
        try
        {
            await scope.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            log.ScopeNotDisposed(exception, handlerName, serverName, clientId);
        }
    }

    private async ValueTask EndAsync(ValueTask called)
    {
        try
        {
            await called.ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    private ValueTask CallInside(HandlerCall call)
    {
        // Somebody else has put something into the execution context, an Activity perhaps: it must not get lost.
        if (ExecutionContext.Capture() != _outside)
            return CallInNewScopeAsync(call);
        _call = call;
        ExecutionContext.Run(_inside!, static visit => ((HandlerVisit)visit!).Call(), this);
        ValueTask called = _called;
        _called = default;
        return called;
    }

    private void Call()
    {
        HandlerCall call = _call;
        _call = default;
#pragma warning disable CA2012 // CallInside returns it, once
        _called = call.Invoke(_handler, _client);
#pragma warning restore CA2012
    }

    private async ValueTask CallInNewScopeAsync(HandlerCall call)
    {
        using (_log.Logger.BeginScope(_logScope))
            await call.Invoke(_handler, _client).ConfigureAwait(false);
    }
}
