using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit.Connections.Opening;

/// <summary>
/// The opening handshake of one connection: reads the request, lets the layer above decide, and answers. The connection drops this object when it is open, so
/// that it costs an idle connection nothing.
/// <para>Invariant: the request is answered at most once, by the thread that moves <see cref="RequestState"/> on from <see cref="RequestState.Pending"/> by
/// compare-exchange. That is the reader when the request is complete, or another thread that turns the client away before. <see cref="RunAsync"/> is called
/// once; the other methods from any thread.</para>
/// </summary>
internal sealed class OpeningHandshake(ConnectionLifetime connection)
{
    private const int SharedBodySize = 8 * 1024;

    private long _deadline = long.MaxValue;   // when the request must be complete
    private TransportConnection _answersOn = connection.Transport;
    private bool _isHead;                     // a HEAD request: the answer has no body
    private volatile RequestState _request;
    private bool _isMeasured;
    private readonly long _began = connection.Settings.Metrics is null ? 0 : connection.Heartbeat.Timestamp();

    private enum RequestState : byte
    {
        Pending,
        Came,
        TurnedAway,
    }

    /// <summary>Whether the answer is 101. It is then the first thing in the send queue.</summary>
    public bool IsAccepted { get; private set; }

    /// <summary>Whether it is a plain HTTP request, not a WebSocket handshake.</summary>
    public bool IsPlainRequest { get; private set; }

    /// <summary>Whether the host has answered a plain HTTP request, which is no end of a handshake.</summary>
    public bool IsAnsweredByHost { get; set; }

    /// <summary>Whether a handler threw while the host was asked about the request.</summary>
    public bool HasHandlerFailed { get; private set; }

    /// <summary>Reads the request and answers it. Any answer but 101 ends the connection; then this also waits until the peer has ended its side.</summary>
    /// <exception cref="IOException">The peer went away.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask RunAsync()
    {
        HandshakeResponse? answer = null;
        try
        {
            answer = await ReadAndDecideAsync().ConfigureAwait(false);
        }
        finally
        {
            // A thread that turned the client away has called HandshakeEnded already. If the connection was lost, this also keeps others from turning it away later.
            if (Interlocked.CompareExchange(ref _request, RequestState.Came, RequestState.Pending) != RequestState.TurnedAway)
            {
                connection.HandshakeEnded();
                Measure(answer);
            }
        }

        if (answer is null || IsAccepted)
            return;
        await AnswerAsync(answer).ConfigureAwait(false);
        await Linger.ReadToEndAsync(_answersOn.Input, connection.Settings.Clock).ConfigureAwait(false);
    }

    /// <summary>Turns the client away if its request is not complete. The reader then discards the rest of the input. From any thread.</summary>
    public void Interrupt(Admission why)
    {
        if (Interlocked.CompareExchange(ref _request, RequestState.TurnedAway, RequestState.Pending) == RequestState.Pending)
            _ = TurnAwayAsync(why);
    }

    /// <summary>Turns the client away if its request did not come in time. Called by the heartbeat.</summary>
    public void Beat(long now)
    {
        long deadline = Volatile.Read(ref _deadline);
        if (now < deadline || _request != RequestState.Pending)
            return;
        // Unread bytes mean that the client was in time and the server is slow. Give it until the next beat.
        bool isOurDelay = connection.Transport.HasUnread;
        // If the request has just been completed, the deadline has changed, and the exchange fails.
        if (Interlocked.CompareExchange(ref _deadline, isOurDelay ? deadline + 1 : long.MaxValue, deadline) == deadline && !isOurDelay)
            Interrupt(Admission.TooSlow);
    }

    /// <summary>Removes the deadline, because the connection was cut.</summary>
    public void StopDeadline() => Volatile.Write(ref _deadline, long.MaxValue);

    /// <summary>Notes that a handler threw, so that its decision does not count.</summary>
    public void HandlerFailed() => HasHandlerFailed = true;

    /// <summary>Agrees on permessage-deflate, if the options and the client allow it. Call it once, when the handshake is accepted.</summary>
    /// <returns>The extensions for the answer, or null.</returns>
    public string? AgreeOnExtensions(string? offers)
    {
        if (connection.Settings.Compression is not { } compression)
            return null;
        PerMessageDeflateParameters wanted = compression.Wanted;
        // A message must not refer to an earlier one that may be dropped.
        if (connection.Settings.SlowClients == SlowClientPolicy.DropOldest)
            wanted = wanted with { ServerNoContextTakeover = true };
        // A message that is left out must not be missing in the context of later ones.
        if (connection.Settings.OverRate == RateLimitReaction.Drop)
            wanted = wanted with { ClientNoContextTakeover = true };
        PerMessageDeflateParameters? agreed = PerMessageDeflateParameters.Negotiate(offers, wanted, out string? answer);
        bool keepsContext = false;
        if (agreed is { HasContextTakeover: true })
        {
            keepsContext = compression.Limits.TryTakeContext();
            if (!keepsContext)
                agreed = PerMessageDeflateParameters.Negotiate(offers, compression.Wanted.WithoutContextTakeover(), out answer);
        }

        if (agreed is { } parameters)
            connection.Agree(parameters, compression, keepsContext);
        return answer;
    }

    // Null when the connection was lost, or when another thread has turned the client away.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<HandshakeResponse?> ReadAndDecideAsync()
    {
        Volatile.Write(ref _deadline, connection.Heartbeat.After(connection.Settings.HandshakeTimeout));
        PreambleEnd preamble = await Preamble.RunAsync(connection).ConfigureAwait(false);
        if (preamble != PreambleEnd.Passed)
            return await EndEarlyAsync(preamble).ConfigureAwait(false);

        PipeReader input = connection.Transport.Input;
        var parser = new HandshakeRequestParser(connection.Settings.MaxRequestHeadSize, connection.Settings.MaxHeaderLines);
        HandshakeParseStatus status = HandshakeParseStatus.NeedMore;
        bool waits = connection.Admission is Admission.Admitted or Admission.PlainRequestOnly;
        bool isFirst = true;
        while (waits)
        {
            ReadResult read = await ReadRequestAsync(input, isFirst).ConfigureAwait(false);
            isFirst = false;
            connection.HasSpoken = true;
            status = parser.Parse(read.Buffer, out SequencePosition consumed, out SequencePosition examined);
            input.AdvanceTo(consumed, examined);
            waits = status == HandshakeParseStatus.NeedMore && !read.IsCompleted && _request == RequestState.Pending;
        }

        Volatile.Write(ref _deadline, long.MaxValue); // the timeout does not include the host's handlers
        if (Interlocked.CompareExchange(ref _request, RequestState.Came, RequestState.Pending) != RequestState.Pending)
        {
            connection.Closing.Deadline.Start();
            await Linger.ReadToEndAsync(input, connection.Settings.Clock).ConfigureAwait(false);
            return null;
        }

        _isHead = parser.IsHead;
        bool isPlain = status == HandshakeParseStatus.Complete && !parser.Request!.IsWebSocket;
        if (connection.Admission == Admission.PlainRequestOnly && !isPlain)
            return connection.Decide().TurnAway(Admission.TooManyClients);
        if (connection.Admission is not (Admission.Admitted or Admission.PlainRequestOnly))
            return connection.Decide().TurnAway(connection.Admission);
        return status switch
        {
            HandshakeParseStatus.Refused => connection.Decide().Refuse(parser.Violation),
            HandshakeParseStatus.Complete => await AskAsync(parser.Request!, connection.Decide()).ConfigureAwait(false),
            _ => null,
        };
    }

    // A client of TLS 1.3 looks at the certificate after the server's last part of the TLS handshake: its refusal comes in place of the request.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReadRequestAsync(PipeReader input, bool isFirst)
    {
        try
        {
            ReadResult read = await input.ReadAsync().ConfigureAwait(false);
            if (isFirst && read.IsCompleted && read.Buffer.IsEmpty && connection.Transport.Tls is not null)
                Preamble.LogFailure(connection, new EndOfStreamException("the client left right after it; it may not trust the certificate"));
            return read;
        }
        catch (IOException lost) when (isFirst && connection.Transport.Tls is not null)
        {
            Preamble.LogFailure(connection, lost);
            throw;
        }
    }

    // There is no request, and without TLS where it has to be no way to answer but in the clear.
    private async ValueTask<HandshakeResponse?> EndEarlyAsync(PreambleEnd preamble)
    {
        Volatile.Write(ref _deadline, long.MaxValue);
        _answersOn = connection.Transport.Underlying;
        bool isMine = Interlocked.CompareExchange(ref _request, RequestState.Came, RequestState.Pending) == RequestState.Pending;
        if (isMine && preamble == PreambleEnd.NotTls)
            return connection.Decide().Refuse(HandshakeViolation.PlainOnTlsPort);
        Measure(null, "refused");
        connection.Closing.Deadline.Start();
        _answersOn.ShutdownSend();
        await Linger.ReadToEndAsync(_answersOn.Input, connection.Settings.Clock).ConfigureAwait(false);
        return null;
    }

    // Null when the connection has ended meanwhile.
    private async ValueTask<HandshakeResponse?> AskAsync(HandshakeRequest request, IRequestDecision decision)
    {
        IsPlainRequest = !request.IsWebSocket;
        if (!decision.Begin(request))
            return End(request, decision);
        HandlersEnd end = await connection.RaiseAsync(ConnectionEvent.Request).ConfigureAwait(false);
        return end == HandlersEnd.Ended && !connection.IsEnding ? End(request, decision) : null;
    }

    private HandshakeResponse End(HandshakeRequest request, IRequestDecision decision)
    {
        HandshakeResponse answer = decision.End(this);
        if (answer.Status != HttpStatusCode.SwitchingProtocols)
            return answer;
        var bytes = new PooledBuffer(connection.Pool);
        answer.WriteHeadTo(ref bytes, date: null, request.Key);
        connection.Queue.AppendHandshake(bytes.Written.Span);
        bytes.Release();
        IsAccepted = true;
        return answer;
    }

    private async Task TurnAwayAsync(Admission why)
    {
        if (!connection.Transport.IsReady)
        {
            // The client has not finished the TLS handshake, so it could not read an answer.
            connection.Log.ConnectionRefused(connection.RemoteEndPoint, $"{why}, before its TLS handshake was over");
            connection.HandshakeEnded();
            Measure(null, "turned_away");
            connection.Cut();
            return;
        }

        HandshakeResponse answer = connection.Decide().TurnAway(why);
        connection.HandshakeEnded();
        Measure(answer);
        try
        {
            await AnswerAsync(answer).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The connection is lost. The reader finds that out as well, and ends.
        }
    }

    private void Measure(HandshakeResponse? answer, string error = "connection_lost")
    {
        if (_isMeasured || IsAnsweredByHost)
            return;
        _isMeasured = true;
        connection.Settings.Metrics?.HandshakeEnded(connection.Heartbeat.Elapsed(_began, connection.Heartbeat.Timestamp()), (int?)answer?.Status, error);
    }

    // Sends any answer but 101. The connection ends with it.
    private async Task AnswerAsync(HandshakeResponse answer)
    {
        connection.Closing.Deadline.Start();
        ReadOnlyMemory<byte> body = _isHead ? default : answer.Body;
        var head = new PooledBuffer(connection.Pool);
        try
        {
            answer.WriteHeadTo(ref head, connection.Heartbeat.UtcNow());
            // A short body is sent in one write with the head. A long one is not copied: many connections may share it.
            if (body.Length <= SharedBodySize)
            {
                head.Append(body.Span);
                body = default;
            }

            await _answersOn.WriteAsync(head.Written).ConfigureAwait(false);
        }
        finally
        {
            head.Release();
        }

        // Write the body in pieces, so that CloseDeadline sees the progress of a slow peer.
        while (!body.IsEmpty)
        {
            int count = Math.Min(body.Length, SendQueue.WriteLimit);
            await _answersOn.WriteAsync(body[..count]).ConfigureAwait(false);
            body = body[count..];
        }

        _answersOn.ShutdownSend();
    }
}
