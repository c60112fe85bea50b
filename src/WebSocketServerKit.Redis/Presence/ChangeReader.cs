using StackExchange.Redis;

namespace WebSocketServerKit.Presence;

/// <summary>Reads the server's change feed in pieces: all that is there, up to a bound. What is not read waits in the feed. Not thread-safe.</summary>
internal sealed class ChangeReader : IAsyncDisposable
{
    private readonly CancellationTokenSource _end;
    private readonly IAsyncEnumerator<ClientChange> _changes;
    private Task<bool>? _next;

    public ChangeReader(ClientRegistry clients, CancellationToken cancellationToken)
    {
        _end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _changes = clients.WatchAsync(_end.Token).GetAsyncEnumerator(CancellationToken.None);
    }

    /// <summary>Waits for a change, but not longer than for the other task, and reads all that are there: id and stored client of each.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<IReadOnlyList<RedisValue>> ReadAsync(int most, Task other)
    {
        _next ??= NextAsync();
        await Task.WhenAny(_next, other).ConfigureAwait(false);
        List<RedisValue> read = [];
        while (_next.IsCompleted && read.Count < 2 * most)
        {
            // The server is disposed of, and there is nothing more to read.
            if (!await _next.ConfigureAwait(false))
            {
                await other.ConfigureAwait(false);
                break;
            }

            (WebSocketClient client, ClientChangeKind kind) = _changes.Current;
            read.Add(client.Id);
            read.Add(kind == ClientChangeKind.Disconnected ? RedisValue.EmptyString : StoredClient.Write(client));
            _next = NextAsync();
        }

        return read;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync().ConfigureAwait(false);
        // The feed cannot be closed while it is read.
        await ((Task?)_next ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _changes.DisposeAsync().ConfigureAwait(false);
        _end.Dispose();
    }

    private Task<bool> NextAsync() => _changes.MoveNextAsync().AsTask();
}
