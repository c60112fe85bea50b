using System.Buffers;
using System.Collections.Concurrent;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Diagnostics;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Closing;
using WebSocketServerKit.Protocol.Framing;
using WebSocketServerKit.Scheduling;

namespace WebSocketServerKit.Serving.Backplanes;

/// <summary>
/// One run of a server as a node among others: it publishes what is for clients of other servers, and does for its own clients what others publish. Thread-safe.
/// </summary>
internal sealed class ServerNode : IBackplaneReceiver, IAsyncDisposable
{
    private readonly ClientRegistry _clients;
    private readonly ServerLog _log;
    private readonly ConcurrentDictionary<ulong, Question> _questions = [];
    private IBackplaneConnection _connection = null!; // set before the first use
    private Interest _interest = null!;
    private ulong _lastQuestion;
    private int _unknownLogged;

    private ServerNode(ClientRegistry clients, ServerLog log)
    {
        _clients = clients;
        _log = log;
    }

    public string NodeId => _clients.NodeId;

    public bool IsConnected => _connection.IsConnected;

    /// <summary>Connects, so that what others publish for this server or for all of them comes from then on.</summary>
    public static async Task<ServerNode> ConnectAsync(IBackplane backplane, ClientRegistry clients, ServerLog log, TimeProvider time, CancellationToken cancellationToken)
    {
        ServerNode node = new(clients, log);
        node._connection = await backplane.ConnectAsync(node, cancellationToken).ConfigureAwait(false)
            ?? throw new InvalidOperationException("The backplane has returned no connection.");
        node._interest = new Interest(clients, node._connection, log, time);
        try
        {
            await node._connection.SubscribeAsync(BackplaneChannel.Node(node.NodeId).Name).Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
            await node._connection.SubscribeAsync(BackplaneChannel.All.Name).Observed().WaitAsync(cancellationToken).ConfigureAwait(false);
            clients.Join(node);
            return node;
        }
        catch
        {
            await node.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Tells that a key has its first client, or none any more. Called inside the lock of the registry.</summary>
    public void KeyChanged(ClientSetKind kind, string key) => _interest.Changed(BackplaneChannel.Of(kind, key));

    /// <summary>Completes when the messages of a group come to this server too.</summary>
    /// <exception cref="IOException">The backplane cannot be reached.</exception>
    public Task WhenInGroupAsync(string group) => _interest.WhenSubscribedAsync(BackplaneChannel.Group(group));

    /// <summary>Publishes a message for the clients of a selection.</summary>
    /// <param name="selection">A selection without functions.</param>
    /// <param name="message">The message.</param>
    /// <param name="key">That of a message that replaces a pending one; null for none.</param>
    public ForwardResult Forward(ClientSelection selection, SharedMessage message, string? key) => Forward(selection, Of(message, key), message.PayloadBytes);

    /// <summary>Publishes what else is to be done with the clients of a selection.</summary>
    public ForwardResult Forward(ClientSelection selection, EnvelopeKind kind, string key = "", ReadOnlySpan<byte> payload = default) =>
        Forward(selection, new Envelope { Kind = kind, Key = key }, payload);

    /// <summary>Publishes a message, and asks what has become of it.</summary>
    /// <param name="selection">A selection without functions.</param>
    /// <param name="message">The message.</param>
    /// <param name="key">That of a message that replaces a pending one; null for none.</param>
    /// <param name="time">Measures the timeout.</param>
    /// <param name="timeout">How long to wait for replies.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IOException">The backplane cannot be reached.</exception>
    public async Task<BroadcastReport> AskAsync(ClientSelection selection, SharedMessage message, string? key, TimeProvider time, TimeSpan timeout, CancellationToken cancellationToken)
    {
        string channel = ChannelOf(selection).Name;
        if (!_connection.IsWanted(channel))
            return default;
        ulong number = Interlocked.Increment(ref _lastQuestion);
        byte[] bytes = (Of(message, key) with { Request = number, Sender = NodeId, Selection = SelectionDescription.Of(selection) }).Write(message.PayloadBytes);
        Question question = new();
        _questions[number] = question;
        try
        {
            int servers = await _connection.PublishAsync(channel, bytes, cancellationToken).Observed().WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
            question.Expect(servers);
            await question.Answered.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            return question.ToReport();
        }
        catch (TimeoutException timedOut)
        {
            throw new IOException("The backplane has not answered in time. Whether it has passed the message on is not known.", timedOut);
        }
        finally
        {
            _questions.TryRemove(number, out _);
        }
    }

    /// <inheritdoc/>
    public void Receive(string channel, ReadOnlySpan<ReadOnlyMemory<byte>> messages)
    {
        // One message is flushed by its own broadcast, which needs fewer buffers at once.
        Cork? cork = messages.Length > 1 ? Cork.Put(SliceClock.Shared) : null;
        try
        {
            foreach (ReadOnlyMemory<byte> message in messages)
            {
                Take(channel, message);
                cork?.FlushWhenFull();
            }
        }
        finally
        {
            cork?.Pull();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _clients.Part();
        _interest.Dispose();
        try
        {
            await _connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _log.BackplaneNotClosed(exception);
        }
    }

    // The channel that reaches the fewest servers.
    private static BackplaneChannel ChannelOf(ClientSelection selection)
    {
        (int Rank, BackplaneChannel Channel) best = (0, BackplaneChannel.All);
        for (ClientSelection? link = selection; link is not null; link = link.Wider)
        {
            if (link.Channel is { } channel && channel.Rank > best.Rank)
                best = channel;
        }

        return best.Channel;
    }

    private static Envelope Of(SharedMessage message, string? key) => new()
    {
        Kind = EnvelopeKind.Message,
        Flags = (message.Opcode == Opcode.Text ? EnvelopeFlags.Text : EnvelopeFlags.None) | (message.IsCompressed ? EnvelopeFlags.None : EnvelopeFlags.Uncompressed) | (key is null ? EnvelopeFlags.None : EnvelopeFlags.Latest),
        Key = key ?? "",
    };

    private ForwardResult Forward(ClientSelection selection, Envelope envelope, ReadOnlySpan<byte> payload)
    {
        string channel = ChannelOf(selection).Name;
        if (!_connection.IsWanted(channel))
            return ForwardResult.Unneeded;
        byte[] bytes = (envelope with { Sender = NodeId, Selection = SelectionDescription.Of(selection) }).Write(payload);
        return _connection.TryPublish(channel, bytes) ? ForwardResult.Accepted : ForwardResult.Dropped;
    }

    private void Take(string channel, ReadOnlyMemory<byte> message)
    {
        try
        {
            if (!Envelope.TryRead(message, out Envelope envelope, out string? problem))
                LogUnknown(channel, problem);
            else if (envelope.Sender != NodeId)
                Take(envelope, channel);
        }
        catch (Exception exception)
        {
            _log.BackplaneMessageFailed(exception, new PeerText(channel));
        }
    }

    private void Take(Envelope envelope, string channel)
    {
        if (envelope.Kind == EnvelopeKind.Reply)
        {
            if (_questions.TryGetValue(envelope.Request, out Question? question) && Envelope.TryReadResult(envelope.Payload, out BroadcastResult answer))
                question.Answer(answer);
            return;
        }

        if (SelectionDescription.Read(envelope.Selection, _clients) is not { } selection)
        {
            LogUnknown(channel, "its selection of clients has a part that this server does not know, or is damaged");
            return;
        }

        selection = selection.OnThisServer();
        switch (envelope.Kind)
        {
            case EnvelopeKind.Message:
                Send(envelope, selection);
                break;
            case EnvelopeKind.Close when envelope.Payload.Length <= 2 + CloseFrame.MaxReasonBytes && CloseFrame.Parse(envelope.Payload.Span, out CloseCode code, out string reason) == ProtocolViolation.None && code != CloseCode.NoStatusReceived:
                _ = selection.CloseAsync(code, reason);
                break;
            case EnvelopeKind.Abort:
                selection.Abort();
                break;
            case EnvelopeKind.Join when envelope.Key.Length > 0:
                selection.Join(envelope.Key);
                break;
            case EnvelopeKind.Leave when envelope.Key.Length > 0:
                selection.Leave(envelope.Key);
                break;
            default:
                LogUnknown(channel, $"it is of kind {(int)envelope.Kind}, which this server does not know, or it is damaged");
                break;
        }
    }

    private void Send(Envelope envelope, ClientSelection selection)
    {
        bool isText = envelope.Flags.HasFlag(EnvelopeFlags.Text), isCompressed = !envelope.Flags.HasFlag(EnvelopeFlags.Uncompressed);
        using SharedMessage message = new(isText ? Opcode.Text : Opcode.Binary, envelope.Payload, isCompressed, ArrayPool<byte>.Shared);
        BroadcastResult result = selection.Broadcast(message, envelope.Flags.HasFlag(EnvelopeFlags.Latest) ? envelope.Key : null);
        if (envelope.Request == 0)
            return;
        Envelope reply = new() { Kind = EnvelopeKind.Reply, Request = envelope.Request, Sender = NodeId, Key = "" };
        _connection.TryPublish(BackplaneChannel.Node(envelope.Sender).Name, reply.Write(Envelope.WriteResult(result)));
    }

    private void LogUnknown(string channel, string problem)
    {
        if (Interlocked.Exchange(ref _unknownLogged, 1) == 0)
            _log.BackplaneMessageUnknown(new PeerText(channel), problem);
    }

    // A message whose sender wants to know what becomes of it. Answers may come before it is known how many there will be.
    private sealed class Question
    {
        private readonly Lock _gate = new();
        private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private BroadcastReport _report;
        private int _expected = -1;

        public Task Answered => _answered.Task;

        public void Expect(int servers)
        {
            lock (_gate)
            {
                _expected = servers;
                CompleteIfAll();
            }
        }

        public void Answer(BroadcastResult result)
        {
            lock (_gate)
            {
                _report = new BroadcastReport { Result = _report.Result.Plus(result), ServersAnswered = _report.ServersAnswered + 1 };
                CompleteIfAll();
            }
        }

        public BroadcastReport ToReport()
        {
            lock (_gate)
                return _report with { ServersAsked = Math.Max(_expected, _report.ServersAnswered) };
        }

        private void CompleteIfAll()
        {
            if (_expected >= 0 && _report.ServersAnswered >= _expected)
                _answered.TrySetResult();
        }
    }
}
