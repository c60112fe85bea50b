using System.Net.WebSockets;
using System.Text;
using System.Text.Unicode;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.History;

namespace WebSocketServerKit;

/// <summary>
/// Streams of messages that Redis keeps, such as one for each chat room: a client that has lost its connection resumes with the offset of the last message that it has, on any server, and gets what it has missed,
/// each message once and in order; or it is told that there is a gap. <see cref="PublishAsync(string, string, CancellationToken)"/> adds a message, <see cref="ResumeAsync"/> joins a client.
/// </summary>
/// <remarks>
/// <para>A message is stored and announced in one step, so all servers and clients see the same order, whoever publishes. A server listens to a stream while it has a client in it. A message that did not reach
/// the server, or did not fit into a client's send queue because the client reads too slowly, is read from the stream for the client as soon as there is room; messages behind it wait in the stream. A client
/// for which that takes so long that the stream no longer has the message is told of a gap. A slow client holds up no other one, and what waits for it is one page of the stream at most.</para>
/// <para>Such a message counts in <see cref="WebSocketClient.MessagesDropped"/>, though it comes later. Use any <see cref="SlowClientPolicy"/> but <see cref="SlowClientPolicy.DropOldest"/>, which drops messages
/// that were accepted: clients miss them, and nobody is told.</para>
/// <para>A Redis that crashes, or fails over, before the newest messages are written or replicated loses them, and goes on with their numbers. Clients that had them are told of a gap if that is noticed before the
/// stream has as many messages again.</para>
/// <para>Thread-safe. One object may serve several servers. Streams are not the groups of <see cref="WebSocketClient.Join"/>, though they may have the same names. Dispose of it when the servers have stopped;
/// clients stay connected.</para>
/// </remarks>
public sealed class RedisHistory : IAsyncDisposable
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new(); // guards the streams and the readers of each
    private readonly Dictionary<string, HistoryStream> _streams = [];
    private readonly IConnectionMultiplexer _multiplexer;
    private readonly RedisHistoryOptions _options;
    private readonly HistoryLog _log;
    private readonly HistoryStore _store;
    private readonly Channel<bool> _wanted = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _disposed = new();
    private readonly Task _refreshing;

    /// <summary>Makes a history. It does not wait for Redis.</summary>
    /// <param name="multiplexer">The connection to Redis 7. Not disposed of.</param>
    /// <param name="prefix">The name of the application: keys and channels begin with it, in braces, so that a cluster keeps them together. Without braces.</param>
    /// <param name="options">Limits, and the form of messages for clients; null for the defaults.</param>
    /// <param name="loggerFactory">Gets what goes wrong in the background; null for no logging.</param>
    /// <exception cref="ArgumentException">The prefix is empty or has braces.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public RedisHistory(IConnectionMultiplexer multiplexer, string prefix, RedisHistoryOptions? options = null, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(multiplexer);
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        if (prefix.AsSpan().ContainsAny('{', '}'))
            throw new ArgumentException("The prefix has braces. Pass the name alone.", nameof(prefix));
        _multiplexer = multiplexer;
        _options = (options ?? new RedisHistoryOptions()).CheckedCopy();
        _log = new HistoryLog(new FaultTolerantLogger((loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<RedisHistory>()));
        _store = new HistoryStore(multiplexer, prefix, _options, _log);
        _multiplexer.ConnectionFailed += OnConnectionChanged;
        _multiplexer.ConnectionRestored += OnConnectionChanged;
        _refreshing = Task.Run(RefreshAsync);
    }

    /// <summary>
    /// A client does not get messages of a stream, because the stream no longer has them. Raised before the client gets the next message, so that a handler may tell it: from the thread pool, by one thread at a
    /// time for each client and stream. The handler should not wait. What it throws is logged.
    /// </summary>
    public event EventHandler<HistoryGapEventArgs>? Gap;

    /// <summary>Adds a text message to a stream, and sends it to the clients of all servers that have resumed the stream.</summary>
    /// <param name="stream">The name of the stream, which begins with its first message.</param>
    /// <param name="text">At most <see cref="RedisHistoryOptions.MaxMessageSize"/> bytes as UTF-8. A lone surrogate becomes U+FFFD.</param>
    /// <param name="cancellationToken">Ends the wait. The message may be stored all the same.</param>
    /// <returns>The offset of the message. It is stored; clients get it soon after, or have it already.</returns>
    /// <exception cref="ArgumentException">The message is too large.</exception>
    /// <exception cref="RedisException">Redis cannot be reached, or refuses to store. After a <see cref="RedisTimeoutException"/> (<see cref="TimeoutException"/>) or a lost connection it is unknown whether the message is stored: published again it may be there twice.</exception>
    /// <exception cref="TimeoutException">Redis has not answered within <see cref="ConfigurationOptions.AsyncTimeout"/>, 5 s by default. It is unknown whether the message is stored.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it waited.</exception>
    public Task<HistoryOffset> PublishAsync(string stream, string text, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return PublishAsync(stream, WebSocketMessageType.Text, Encoding.UTF8.GetBytes(text), cancellationToken);
    }

    /// <summary>Adds a message of bytes to a stream. Otherwise like <see cref="PublishAsync(string, string, CancellationToken)"/>.</summary>
    /// <param name="stream">The name of the stream, which begins with its first message.</param>
    /// <param name="payload">At most <see cref="RedisHistoryOptions.MaxMessageSize"/> bytes. For a text message it must be valid UTF-8. Not to be changed before the call completes.</param>
    /// <param name="messageType"><see cref="WebSocketMessageType.Text"/> or <see cref="WebSocketMessageType.Binary"/>.</param>
    /// <param name="cancellationToken">Ends the wait. The message may be stored all the same.</param>
    /// <exception cref="ArgumentException">The message is too large; or the type is neither text nor binary, or a text is not valid UTF-8.</exception>
    /// <inheritdoc cref="PublishAsync(string, string, CancellationToken)" path="/*[not(self::summary or self::param)]"/>
    public Task<HistoryOffset> PublishAsync(string stream, ReadOnlyMemory<byte> payload, WebSocketMessageType messageType = WebSocketMessageType.Binary, CancellationToken cancellationToken = default)
    {
        if (messageType is not (WebSocketMessageType.Text or WebSocketMessageType.Binary))
            throw new ArgumentOutOfRangeException(nameof(messageType), messageType, "A message is Text or Binary.");
        if (messageType == WebSocketMessageType.Text && !Utf8.IsValid(payload.Span))
            throw new ArgumentException("The payload of a text message must be valid UTF-8. Publish it as binary.", nameof(payload));
        return PublishAsync(stream, messageType, payload, cancellationToken);
    }

    /// <summary>
    /// Joins a client to a stream: sends it what it has missed, and from then on each new message, without a gap or a repetition between them. Completes when the client is live. Meanwhile it waits while the client
    /// has pending bytes, so await it in a handler only if the client's next messages may wait as long.
    /// </summary>
    /// <param name="client">A client of any server of this process. It leaves the stream when it disconnects.</param>
    /// <param name="stream">The name of the stream.</param>
    /// <param name="from">The offset of the last message that the client has: it gets all that follow. Of a stream that has begun again it gets all. Null for a client that has none.</param>
    /// <param name="last">Without <paramref name="from"/>: how many of the newest messages the client gets first, as far as there are so many. 0, the default, for new ones only.</param>
    /// <param name="cancellationToken">Ends the work, and the client leaves the stream.</param>
    /// <exception cref="ArgumentException">The epoch of <paramref name="from"/> is empty: see <see cref="HistoryOffset.TryParse"/>.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="last"/> or a number is negative.</exception>
    /// <exception cref="InvalidOperationException">The client is in the stream already.</exception>
    /// <exception cref="RedisException">Redis cannot be reached. The client may have got a part of the messages, and is not in the stream: close it, so that it connects again and resumes.</exception>
    /// <exception cref="TimeoutException">Redis has not answered in time. What holds for <see cref="RedisException"/> holds here too.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while it worked.</exception>
    public async Task<HistoryResume> ResumeAsync(WebSocketClient client, string stream, HistoryOffset? from = null, int last = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegative(last);
        if (from is { } offset)
        {
            ArgumentException.ThrowIfNullOrEmpty(offset.Epoch, nameof(from));
            ArgumentOutOfRangeException.ThrowIfNegative(offset.Number, nameof(from));
        }

        HistoryReader reader = Add(client, stream);
        try
        {
            await reader.Stream.WhenStarted().WaitAsync(cancellationToken).ConfigureAwait(false);
            return await reader.ResumeAsync(from, last, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Remove(reader);
            throw;
        }
    }

    /// <summary>Takes a client out of a stream: it gets no more messages of it. One that is being sent may still arrive.</summary>
    /// <param name="client">The client.</param>
    /// <param name="stream">The name of the stream.</param>
    /// <returns>False if it was not in the stream.</returns>
    public bool Leave(WebSocketClient client, string stream)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(stream);
        lock (_gate)
            return _streams.TryGetValue(stream, out HistoryStream? found) && found.Readers.TryGetValue(client, out HistoryReader? reader) && Remove(reader);
    }

    /// <summary>Takes all clients out of their streams, and unsubscribes from their channels. What is stored stays.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] closing;
        lock (_gate)
        {
            if (_disposed.IsCancellationRequested)
                return;
            _disposed.Cancel();
            foreach (HistoryReader reader in _streams.Values.SelectMany(stream => stream.Readers.Values).ToArray())
                Remove(reader);
            closing = [.. _streams.Values.Select(stream => stream.Closing).OfType<Task>()];
        }

        _multiplexer.ConnectionFailed -= OnConnectionChanged;
        _multiplexer.ConnectionRestored -= OnConnectionChanged;
        await _refreshing.ConfigureAwait(false);
        await Task.WhenAll(closing).ConfigureAwait(false);
        _disposed.Dispose();
    }

    private async Task<HistoryOffset> PublishAsync(string stream, WebSocketMessageType messageType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        if (payload.Length > _options.MaxMessageSize)
            throw new ArgumentException($"The message has {payload.Length} bytes, and {_options.MaxMessageSize} are allowed ({nameof(RedisHistoryOptions.MaxMessageSize)}).", nameof(payload));
        cancellationToken.ThrowIfCancellationRequested();
        return await _store.PublishAsync(stream, messageType, payload).Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private HistoryReader Add(WebSocketClient client, string name)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
            _streams.TryGetValue(name, out HistoryStream? stream);
            if (stream is null or { Closing: not null })
            {
                HistoryStream made = new(name, _store, _multiplexer.GetSubscriber(), _log, WantRefresh);
                made.Start(stream?.Closing ?? Task.CompletedTask);
                _streams[name] = stream = made;
            }

            HistoryReader reader = new(client, stream, OnMissed);
            if (!stream.Readers.TryAdd(client, reader))
                throw new InvalidOperationException($"{client} is in the stream {name} already. Call Leave first.");
            reader.WhenClosed = client.ConnectionClosed.UnsafeRegister(_ => Remove(reader), null);
            return reader;
        }
    }

    private bool Remove(HistoryReader reader)
    {
        HistoryStream stream = reader.Stream;
        lock (_gate)
        {
            if (!stream.Readers.TryGetValue(reader.Client, out HistoryReader? present) || present != reader)
                return false;
            stream.Readers.Remove(reader.Client);
            stream.Remove(reader);
            reader.WhenClosed.Unregister();
            if (stream.Readers.Count == 0)
                _ = ForgetAsync(stream, stream.Close());
            return true;
        }
    }

    private async Task ForgetAsync(HistoryStream stream, Task closing)
    {
        await closing.ConfigureAwait(false);
        lock (_gate)
        {
            if (_streams.GetValueOrDefault(stream.Name) == stream)
                _streams.Remove(stream.Name);
        }
    }

    private void OnMissed(HistoryReader reader, HistoryGap gap)
    {
        try
        {
            Gap?.Invoke(this, new HistoryGapEventArgs(reader.Client, reader.Stream.Name, gap));
        }
        catch (Exception exception)
        {
            _log.GapHandlerFailed(exception);
        }
    }

    private void OnConnectionChanged(object? sender, ConnectionFailedEventArgs e) => WantRefresh();

    private void WantRefresh() => _wanted.Writer.TryWrite(true);

    // What is published while the connection is lost does not come over the channel. And a message that is the last one for long leaves no hole by which its loss could be noticed: hence the interval.
    private async Task RefreshAsync()
    {
        TimeSpan wait = CheckInterval;
        bool isFailing = false;
        while (await IsWantedAsync(wait).ConfigureAwait(false))
        {
            HistoryStream[] streams;
            lock (_gate)
                streams = [.. _streams.Values.Where(stream => stream.Closing is null)];
            wait = streams.Length == 0 || await IsListeningAsync().ConfigureAwait(false) ? CheckInterval : Retry;
            try
            {
                await Task.WhenAll(streams.Select(stream => stream.RefreshAsync(isPatient: true))).ConfigureAwait(false);
                isFailing = false;
            }
            catch (Exception exception)
            {
                if (!isFailing)
                    _log.RefreshFailed(exception);
                isFailing = true;
                wait = Retry;
            }
        }
    }

    // The answer comes behind those to the subscriptions that were just restored, so nothing is missed from then on. While the channels are away, the streams are read at short intervals.
    private async Task<bool> IsListeningAsync()
    {
        try
        {
            await _multiplexer.GetSubscriber().PingAsync().Observed().WaitAsync(Retry).ConfigureAwait(false);
            return true;
        }
        // Also that the host has disposed of the client too early.
        catch (Exception)
        {
            return false;
        }
    }

    // False when it is disposed of.
    private async Task<bool> IsWantedAsync(TimeSpan wait)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_disposed.Token);
        timeout.CancelAfter(wait);
        try
        {
            return await _wanted.Reader.ReadAsync(timeout.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return !_disposed.IsCancellationRequested;
        }
    }
}
