using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace WebSocketServerKit;

/// <summary>
/// A request of the host as the connection of a client. The server reads the request as text and then the bytes of the upgraded connection. What it writes first is its answer: a 101 upgrades the
/// connection, and all further bytes go through; any other answer becomes the response.
/// </summary>
/// <remarks>
/// One read and one write at a time, as the server promises. The write of the answer is the one that touches the response; reads wait for it. An idle client keeps nothing here but the upgraded stream.
/// </remarks>
internal sealed class RequestStream : Stream
{
    private readonly HttpContext _context;
    private readonly Action _opened;
    private TaskCompletionSource<Stream>? _opening = new(TaskCreationOptions.RunContinuationsAsynchronously); // null once _stream is set
    private Stream? _stream;                     // the upgraded connection
    private ReadOnlyMemory<byte> _head;          // of the request, what is not read yet
    private byte[]? _answer;                     // a head of the answer that is not complete
    private readonly CancellationTokenRegistration _aborted;
    private volatile bool _isDisposed;
    private volatile bool _hasFailed;            // the server's answer could not be sent

    /// <param name="context">The request.</param>
    /// <param name="head">What <see cref="RequestHead"/> has made of it.</param>
    /// <param name="opened">Called when the connection is upgraded.</param>
    public RequestStream(HttpContext context, ReadOnlyMemory<byte> head, Action opened)
    {
        _context = context;
        _head = head;
        _opened = opened;
        // Until the upgrade only the host sees that the client goes. Afterwards reads tell, behind what the client has sent before.
        _aborted = context.RequestAborted.UnsafeRegister(static opening => Lose((TaskCompletionSource<Stream>)opening!), _opening);
    }

    /// <summary>Whether the response has begun.</summary>
    public bool IsAnswered { get; private set; }

    public override bool CanRead => !_isDisposed;

    public override bool CanWrite => !_isDisposed;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Cuts the connection: the client takes it for a failure.</summary>
    public void Abort()
    {
        // What the host could not do was answered in place of the server, which does not know it.
        if (!_hasFailed)
            _context.Abort();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // In this order: the stream is set before the other is gone.
        TaskCompletionSource<Stream>? opening = Volatile.Read(ref _opening);
        if (_isDisposed)
            return ValueTask.FromException<int>(new ObjectDisposedException(nameof(RequestStream)));
        return Volatile.Read(ref _stream) is { } stream ? stream.ReadAsync(buffer, cancellationToken) : ReadEarlyAsync(buffer, opening!, cancellationToken);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isDisposed)
            return ValueTask.FromException(new ObjectDisposedException(nameof(RequestStream)));
        return _stream is { } stream ? stream.WriteAsync(buffer, cancellationToken) : AnswerAsync(buffer, cancellationToken);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Nothing to do: the host sends what is written at once, be it a response or an upgraded connection.</summary>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override async ValueTask DisposeAsync()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        await _aborted.DisposeAsync().ConfigureAwait(false);
        if (_stream is { } stream)
            await stream.DisposeAsync().ConfigureAwait(false);
        else if (_opening is { } opening)
            Lose(opening);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    public override void Flush() => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static void Lose(TaskCompletionSource<Stream> opening)
    {
        if (opening.TrySetException(new IOException("The client has gone before its request was answered.")))
            _ = opening.Task.Exception; // seen, should nobody read
    }

    private async ValueTask<int> ReadEarlyAsync(Memory<byte> buffer, TaskCompletionSource<Stream> opening, CancellationToken cancellationToken)
    {
        if (!_head.IsEmpty)
        {
            int count = Math.Min(buffer.Length, _head.Length);
            _head[..count].CopyTo(buffer);
            _head = count == _head.Length ? default : _head[count..];
            return count;
        }

        Stream stream = await opening.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        return await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask AnswerAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        HttpResponse response = _context.Response;
        if (IsAnswered)
        {
            await response.Body.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
            return;
        }

        byte[] answer = [.. _answer ?? [], .. bytes.Span];
        if (ResponseHead.Read(answer, out int length) is not { } head)
        {
            _answer = answer;
            return;
        }

        _answer = null;
        ReadOnlyMemory<byte> behind = answer.AsMemory(length);
        if (head.Status != StatusCodes.Status101SwitchingProtocols)
        {
            await SetHeadAsync(head, isExtendedConnect: false).ConfigureAwait(false);
            IsAnswered = true;
            if (!behind.IsEmpty)
                await response.Body.WriteAsync(behind, cancellationToken).ConfigureAwait(false);
            return;
        }

        Stream stream = await UpgradeAsync(head).ConfigureAwait(false);
        IsAnswered = true;
        await _aborted.DisposeAsync().ConfigureAwait(false);
        TaskCompletionSource<Stream> opening = _opening!;
        Volatile.Write(ref _stream, stream);
        Volatile.Write(ref _opening, null);
        opening.TrySetResult(stream);
        if (!behind.IsEmpty)
            await stream.WriteAsync(behind, cancellationToken).ConfigureAwait(false);
        _opened();
    }

    private async Task<Stream> UpgradeAsync(ResponseHead head)
    {
        // What the host limits for a request does not hold for the connection that it becomes.
        _context.Features.Get<IHttpRequestTimeoutFeature>()?.DisableTimeout();
        if (_context.Features.Get<IHttpMinResponseDataRateFeature>() is { } responseRate)
            responseRate.MinDataRate = null; // the server cuts a client that takes nothing
        if (_context.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true } connect)
        {
            if (_context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
                size.MaxRequestBodySize = null;
            if (_context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
                rate.MinDataRate = null;
            await SetHeadAsync(head, isExtendedConnect: true).ConfigureAwait(false);
            return await connect.AcceptAsync().ConfigureAwait(false);
        }

        if (_context.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true } upgrade)
        {
            await FailAsync(StatusCodes.Status501NotImplemented, "The host of this server cannot turn this request into a WebSocket. Kestrel can, over HTTP/1.1 and HTTP/2.").ConfigureAwait(false);
            throw new IOException("The host cannot upgrade the request.");
        }

        await SetHeadAsync(head, isExtendedConnect: false).ConfigureAwait(false);
        try
        {
            return await upgrade.UpgradeAsync().ConfigureAwait(false);
        }
        catch (InvalidOperationException tooMany) when (!_context.Response.HasStarted)
        {
            await FailAsync(StatusCodes.Status503ServiceUnavailable, "The server is full at present. Try again later.").ConfigureAwait(false);
            throw new IOException("The host did not upgrade the request.", tooMany);
        }
    }

    private async Task SetHeadAsync(ResponseHead head, bool isExtendedConnect)
    {
        try
        {
            head.CopyTo(_context.Response, isExtendedConnect);
        }
        catch (InvalidOperationException refused)
        {
            // Kestrel sends ASCII alone, unless its ResponseHeaderEncodingSelector allows more.
            await FailAsync(StatusCodes.Status500InternalServerError, "The answer has a header that the host does not send.").ConfigureAwait(false);
            throw new IOException(refused.Message, refused);
        }
    }

    private async Task FailAsync(int status, string text)
    {
        _context.Response.Clear();
        IsAnswered = true;
        _hasFailed = true;
        await PlainAnswer.WriteAsync(_context.Response, status, text).ConfigureAwait(false);
    }
}
