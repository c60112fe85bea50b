using System.IO.Pipelines;
using System.Net;
using WebSocketServerKit.Buffers;
using WebSocketServerKit.Connections.Closing;
using WebSocketServerKit.Connections.Handling;
using WebSocketServerKit.Connections.Sending;
using WebSocketServerKit.Protocol.Compression;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Connections.Opening;

/// <summary>
/// The opening handshake of one connection: reads the request, has it decided, and answers. The connection drops it when it opens, so that it costs an idle client nothing.
/// <para>Exactly one side answers: whoever moves the request on from <see cref="RequestState.Pending"/>. That is the reader when the request has come, or another thread that turns the
/// client away before.</para>
/// </summary>
internal sealed class OpeningHandshake(ConnectionLifetime connection)
{
    private const int SharedBodySize = 8 * 1024;

    private long _deadline = long.MaxValue;   // when the request must have come
    private bool _isHead;                     // the answer has no body
    private volatile RequestState _request;

    private enum RequestState : byte
    {
        Pending,
        Came,
        TurnedAway,
    }

    /// <summary>Whether the answer is 101. It lies in the send queue, before everything else.</summary>
    public bool IsAccepted { get; private set; }

    /// <summary>Whether the request asks for no WebSocket.</summary>
    public bool IsPlainRequest { get; private set; }

    /// <summary>Whether a handler threw while the host was asked about the request.</summary>
    public bool HasHandlerFailed { get; private set; }

    /// <summary>Reads the request and answers it. Any answer but 101 ends the connection: then it also waits for the peer's end.</summary>
    /// <exception cref="IOException">The peer went away.</exception>
    public async Task RunAsync()
    {
        HandshakeResponse? answer = null;
        try
        {
            answer = await ReadAndDecideAsync().ConfigureAwait(false);
        }
        finally
        {
            // Whoever turned the client away has reported the end already. Where the connection was lost, nobody may turn it away from here on.
            if (Interlocked.CompareExchange(ref _request, RequestState.Came, RequestState.Pending) != RequestState.TurnedAway)
                connection.HandshakeEnded();
        }

        if (answer is null)
            return;
        if (answer.Status == HttpStatusCode.SwitchingProtocols)
        {
            Accept(answer);
            return;
        }

        await AnswerAsync(answer).ConfigureAwait(false);
        await Linger.ReadToEndAsync(connection.Transport.Input, connection.Settings.Clock).ConfigureAwait(false);
    }

    /// <summary>Turns the client away if its request has not come in full. The reader goes on and discards what comes. From any thread.</summary>
    public void Interrupt(Admission why)
    {
        if (Interlocked.CompareExchange(ref _request, RequestState.TurnedAway, RequestState.Pending) == RequestState.Pending)
            _ = TurnAwayAsync(why);
    }

    /// <summary>Turns away a client whose request did not come in time.</summary>
    public void Beat(long now)
    {
        long deadline = Volatile.Read(ref _deadline);
        if (now < deadline || _request != RequestState.Pending)
            return;
        // Unread bytes were sent in time: this side was slow. The client has until the next beat.
        bool isOurDelay = connection.Transport.HasUnread;
        // If the request came in this very moment, the deadline has changed and must not count.
        if (Interlocked.CompareExchange(ref _deadline, isOurDelay ? deadline + 1 : long.MaxValue, deadline) == deadline && !isOurDelay)
            Interrupt(Admission.TooSlow);
    }

    /// <summary>The connection was cut: the deadline does not matter any more.</summary>
    public void StopDeadline() => Volatile.Write(ref _deadline, long.MaxValue);

    /// <summary>A handler that threw has decided nothing.</summary>
    public void HandlerFailed() => HasHandlerFailed = true;

    /// <summary>Agrees on permessage-deflate, if the options and the client allow it. Call it once, when the handshake is accepted.</summary>
    /// <returns>The extensions for the answer, or null.</returns>
    public string? AgreeOnExtensions(string? offers)
    {
        if (connection.Settings.Compression is not { } compression)
            return null;
        PerMessageDeflateParameters? agreed = PerMessageDeflateParameters.Negotiate(offers, compression.Wanted, out string? answer);
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

    // Null when there is nobody to answer, or somebody else has answered.
    private async ValueTask<HandshakeResponse?> ReadAndDecideAsync()
    {
        PipeReader input = connection.Transport.Input;
        Volatile.Write(ref _deadline, connection.Heartbeat.After(connection.Settings.HandshakeTimeout));
        var parser = new HandshakeRequestParser(connection.Settings.MaxRequestHeadSize, connection.Settings.MaxHeaderLines);
        HandshakeParseStatus status = HandshakeParseStatus.NeedMore;
        bool waits = connection.Admission == Admission.Admitted;
        while (waits)
        {
            ReadResult read = await input.ReadAsync().ConfigureAwait(false);
            connection.HasSpoken = true;
            status = parser.Parse(read.Buffer, out SequencePosition consumed, out SequencePosition examined);
            input.AdvanceTo(consumed, examined);
            waits = status == HandshakeParseStatus.NeedMore && !read.IsCompleted && _request == RequestState.Pending;
        }

        Volatile.Write(ref _deadline, long.MaxValue); // the time of the host's handlers does not count
        if (Interlocked.CompareExchange(ref _request, RequestState.Came, RequestState.Pending) != RequestState.Pending)
        {
            connection.Closing.Deadline.Start();
            await Linger.ReadToEndAsync(input, connection.Settings.Clock).ConfigureAwait(false);
            return null;
        }

        _isHead = parser.IsHead;
        if (connection.Admission != Admission.Admitted)
            return connection.Decide().TurnAway(connection.Admission);
        return status switch
        {
            HandshakeParseStatus.Refused => connection.Decide().Refuse(parser.Violation),
            HandshakeParseStatus.Complete => await AskAsync(parser.Request!, connection.Decide()).ConfigureAwait(false),
            _ => null,
        };
    }

    // Null when the connection ended meanwhile.
    private async ValueTask<HandshakeResponse?> AskAsync(HandshakeRequest request, IRequestDecision decision)
    {
        IsPlainRequest = !request.IsWebSocket;
        if (!decision.Begin(request))
            return decision.End(this);
        HandlersEnd end = await connection.RaiseAsync(ConnectionEvent.Request).ConfigureAwait(false);
        return end == HandlersEnd.Ended && !connection.IsEnding ? decision.End(this) : null;
    }

    private void Accept(HandshakeResponse answer)
    {
        var bytes = new PooledBuffer(connection.Pool);
        answer.WriteHeadTo(ref bytes, date: null);
        connection.Queue.AppendHandshake(bytes.Written.Span);
        bytes.Release();
        IsAccepted = true;
    }

    private async Task TurnAwayAsync(Admission why)
    {
        HandshakeResponse answer = connection.Decide().TurnAway(why);
        connection.HandshakeEnded();
        try
        {
            await AnswerAsync(answer).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The peer went away. The reader finds out as well, and ends.
        }
    }

    // Any answer but 101: the connection ends with it.
    private async Task AnswerAsync(HandshakeResponse answer)
    {
        connection.Closing.Deadline.Start();
        ReadOnlyMemory<byte> body = _isHead ? default : answer.Body;
        var head = new PooledBuffer(connection.Pool);
        try
        {
            answer.WriteHeadTo(ref head, connection.Heartbeat.UtcNow());
            // A short body leaves with the head. A long one may be shared by many connections and is not copied.
            if (body.Length <= SharedBodySize)
            {
                head.Append(body.Span);
                body = default;
            }

            await connection.Transport.WriteAsync(head.Written).ConfigureAwait(false);
        }
        finally
        {
            head.Release();
        }

        // The body is written in pieces, so that the deadline sees the progress of a slow peer.
        while (!body.IsEmpty)
        {
            int count = Math.Min(body.Length, SendQueue.WriteLimit);
            await connection.Transport.WriteAsync(body[..count]).ConfigureAwait(false);
            body = body[count..];
        }

        connection.Transport.ShutdownSend();
    }
}
