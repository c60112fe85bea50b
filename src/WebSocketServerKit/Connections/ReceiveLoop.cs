using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WebSocketServerKit.Protocol;
using WebSocketServerKit.Protocol.Compression;

namespace WebSocketServerKit.Connections;

/// <summary>How a receive loop ended.</summary>
internal enum ReceiveEnd
{
    /// <summary>The peer's Close frame came.</summary>
    CloseReceived,

    /// <summary>The peer broke a rule.</summary>
    Violation,

    /// <summary>The input ended or failed without a Close frame.</summary>
    Lost,

    /// <summary>Handlers were given up while they still ran.</summary>
    Abandoned,
}

/// <summary>
/// The only one that touches the input and the protocol of a connection. It steps through all complete frames of a read before it awaits
/// the network again; a handler that goes on asynchronously holds back the next message, and so the reading: that is the back-pressure.
/// </summary>
internal sealed class ReceiveLoop(ConnectionLifetime connection, PipeReader input, ConnectionSettings settings, Heartbeat heartbeat)
{
    private readonly ServerProtocol _protocol = new(settings.MaxMessageSize, settings.MaxFragmentsPerMessage, settings.Pool);
    private readonly RateLimit? _messageRate = Limit(settings.MaxMessagesPerSecond, heartbeat);
    private readonly RateLimit? _byteRate = Limit(settings.MaxBytesPerSecond, heartbeat);
    private ReceiveEnd? _end;

    /// <summary>The message that handlers are being called for.</summary>
    public ReadOnlyMemory<byte> Payload => _protocol.Payload;

    public WebSocketMessageType MessageType => _protocol.MessageType;

    public WebSocketCloseStatus CloseCode => _protocol.CloseCode;

    public string CloseReason => _protocol.CloseReason;

    public ProtocolViolation Violation => _protocol.Violation;

    public Exception? Failure { get; private set; }

    /// <summary>Data messages received so far, and their payload bytes.</summary>
    public long MessagesReceived { get; private set; }

    public long BytesReceived { get; private set; }

    /// <summary>Whether the client is made to wait because it sends more than the options allow.</summary>
    public bool IsHoldingBack { get; private set; }

    /// <summary>permessage-deflate was agreed on. Before <see cref="RunAsync"/>.</summary>
    public void Agree(PerMessageDeflateParameters agreed) => _protocol.Agree(new MessageInflater(contextTakeover: !agreed.ClientNoContextTakeover));

    public async Task<ReceiveEnd> RunAsync()
    {
        try
        {
            // What lives across this await lives as long as a client is silent, in memory of its own: so there is nothing.
            while (_end is null)
                await TakeAsync(await input.ReadAsync().ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            // The network's IOException, or one that should not be: the connection is lost in either case, and its end has to be told.
            Failure = failure;
            _end = ReceiveEnd.Lost;
        }

        if (_end == ReceiveEnd.Abandoned)
            _protocol.Abandon();
        else
            _protocol.Release();
        return _end.Value;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask TakeAsync(ReadResult read)
    {
        if (!read.Buffer.IsEmpty)
        {
            connection.Heard();
            _byteRate?.Count(read.Buffer.Length, heartbeat.Now);
        }

        SequencePosition next = read.Buffer.Start;
        while (_end is null && read.Buffer.TryGet(ref next, out ReadOnlyMemory<byte> segment))
        {
            // The memory is the reader's own and nobody else reads it before it is consumed: frames are unmasked where they lie.
            Memory<byte> rest = MemoryMarshal.AsMemory(segment);
            while (_end is null && !rest.IsEmpty)
            {
                if (IsOverRate)
                    await HoldBackAsync().ConfigureAwait(false);
                if (StepThrough(ref rest))
                    continue;
                if (await connection.Handlers.WhenEnded().ConfigureAwait(false))
                    _protocol.ReleasePayload();
                else
                    _end = ReceiveEnd.Abandoned;
            }
        }

        // Handlers that were given up may still be reading what lies there.
        if (_end == ReceiveEnd.Abandoned)
            return;
        input.AdvanceTo(read.Buffer.End);
        if (read.IsCompleted)
            _end ??= ReceiveEnd.Lost;
    }

    // Our Close frame is out: what comes is thrown away, and the sooner the peer's answer is read, the better.
    private bool IsOverRate => (_messageRate ?? _byteRate) is not null && !connection.IsEnding && (IsReached(_messageRate) || IsReached(_byteRate));

    private bool IsReached(RateLimit? limit) => limit is not null && limit.IsReached(heartbeat.Now);

    private static RateLimit? Limit(long? perSecond, Heartbeat heartbeat) =>
        perSecond is { } limit ? new RateLimit(limit, heartbeat.ToTimestamp(TimeSpan.FromSeconds(1))) : null;

    // True when the bytes are used up, the client has sent too much, or the end has come; false when handlers of a message go on and have to be awaited.
    private bool StepThrough(ref Memory<byte> rest)
    {
        HandlerScope handlers = connection.Handlers;
        Memory<byte> left = rest; // a local costs less to move on than what outlives an await
        handlers.Enter();
        Cork? cork = null;
        try
        {
            while (_end is null && !IsOverRate && _protocol.Step(ref left) is var found and not ProtocolEvent.None)
            {
                // More frames are there already: what is sent for them leaves together with what is sent for this one.
                if (!left.IsEmpty)
                    cork ??= Cork.Put();
                if (found != ProtocolEvent.Message)
                    Take(found);
                else if (!TakeMessage(handlers))
                    return false;
                _protocol.ReleasePayload();
                cork?.FlushWhenFull();
            }

            return true;
        }
        finally
        {
            rest = left;
            handlers.Leave();
            cork?.Pull();
        }
    }

    // False when handlers of a message go on and have to be awaited.
    private bool TakeMessage(HandlerScope handlers)
    {
        MessagesReceived++;
        BytesReceived += _protocol.Payload.Length;
        if (connection.IsEnding)
            return true; // our Close frame is out: nobody waits for messages any more
        _messageRate?.Count(1, heartbeat.Now);
        return handlers.Raise();
    }

    private void Take(ProtocolEvent found)
    {
        switch (found)
        {
            case ProtocolEvent.Ping:
                // 5.5.2: "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a Close frame."
                connection.Queue.Pong(_protocol.Payload.Span);
                break;
            case ProtocolEvent.Pong:
                // 5.5.3: "A Pong frame MAY be sent unsolicited. [...] A response to an unsolicited Pong frame is not expected."
                connection.PongReceived(_protocol.Payload.Span);
                break;
            case ProtocolEvent.Close:
                _end = ReceiveEnd.CloseReceived;
                break;
            case ProtocolEvent.Violation:
                _end = ReceiveEnd.Violation;
                break;
        }
    }

    private async Task HoldBackAsync()
    {
        IsHoldingBack = true;
        Task nextBeat = heartbeat.WhenNextBeat(); // taken before each look, so that no beat falls between
        while (IsOverRate)
        {
            await nextBeat.ConfigureAwait(false);
            nextBeat = heartbeat.WhenNextBeat();
        }

        IsHoldingBack = false;
    }
}
