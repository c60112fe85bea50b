using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using WebSocketServerKit.Connections;
using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit;

/// <summary>
/// A plain HTTP request was received, one that does not ask for a WebSocket: a health check, a browser that opens the address. A handler may answer it;
/// if none does, the response is 426 (upgrade required), or 405 if the method is neither GET nor HEAD. Requests with a body are not raised; they are refused with 413.
/// </summary>
/// <remarks>The connection is closed after the response. For the handlers only: after they have ended, <c>Respond</c> throws an <see cref="InvalidOperationException"/>.</remarks>
public sealed class HttpRequestReceivedEventArgs : EventArgs
{
    // A page is one string for all who ask for it: its bytes are shared too, for as long as the host keeps the string.
    private static readonly ConditionalWeakTable<string, byte[]> Encoded = [];

    private readonly ConnectionLifetime? _connection;
    private bool _decided;

    internal HttpRequestReceivedEventArgs(
        HandshakeRequest request, EndPoint remoteEndPoint, EndPoint localEndPoint, ConnectionLifetime? connection = null)
    {
        Request = request;
        RemoteEndPoint = remoteEndPoint;
        LocalEndPoint = localEndPoint;
        _connection = connection;
    }

    /// <summary>The request. The method is any; to <c>HEAD</c> the server sends the headers of the answer alone.</summary>
    public HandshakeRequest Request { get; }

    /// <summary>The client's end point, as <see cref="WebSocketClient.RemoteEndPoint"/>.</summary>
    public EndPoint RemoteEndPoint { get; }

    /// <summary>The end point that the client has connected to, as <see cref="WebSocketClient.LocalEndPoint"/>.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>The <see cref="AcceptOptions.Source"/> of a connection that was made elsewhere; otherwise null.</summary>
    public object? Source => _connection?.Transport.Facts?.Source;

    /// <summary>The connection of the trusted proxy that speaks for the client. Null without one.</summary>
    public ProxyConnection? Proxy => _connection?.Proxy;

    /// <summary>What the TLS handshake has agreed on, with the client's certificate. Null if the connection to this server has no TLS.</summary>
    public TlsSession? Tls => _connection?.Transport.Tls;

    /// <summary>
    /// Cancelled when the connection is lost while handlers work on the answer, within about a second. That the client has ended its own side does not count: it may be waiting for
    /// the answer.
    /// </summary>
    public CancellationToken ConnectionClosed => _connection?.Disconnected ?? default;

    /// <summary>Whether a handler has answered.</summary>
    public bool IsAnswered => Answer is not null;

    internal HandshakeResponse? Answer { get; private set; }

    /// <summary>
    /// Answers with bytes, which must not change until they are sent. They are not copied: however many clients ask for them, and however slowly they read, they share them. The last call
    /// counts.
    /// </summary>
    /// <param name="status">200 to 599.</param>
    /// <param name="body">May be empty.</param>
    /// <param name="contentType">What the bytes are: a media type such as <c>image/png</c> or <c>text/html; charset=utf-8</c>.</param>
    /// <param name="headers">More headers, such as <c>Cache-Control</c>.</param>
    /// <exception cref="ArgumentException">The status, the content type or a header is invalid, or the status allows no body.</exception>
    /// <exception cref="InvalidOperationException">The handlers of the event have ended.</exception>
    public void Respond(
        HttpStatusCode status,
        ReadOnlyMemory<byte> body,
        string contentType = "application/octet-stream",
        IEnumerable<KeyValuePair<string, string>>? headers = null)
    {
        if (_decided)
            throw new InvalidOperationException("The request has been answered: its handlers had ended. Await what a handler starts, or make it an async lambda.");
        Answer = HandshakeResponse.Answer(status, body, contentType, headers);
    }

    /// <summary>Answers with text, sent as UTF-8: name the charset in a content type of your own. The last call counts.</summary>
    /// <inheritdoc cref="Respond(HttpStatusCode, ReadOnlyMemory{byte}, string, IEnumerable{KeyValuePair{string, string}}?)"/>
    public void Respond(
        HttpStatusCode status, string body, string contentType = "text/plain; charset=utf-8", IEnumerable<KeyValuePair<string, string>>? headers = null)
    {
        ArgumentNullException.ThrowIfNull(body);
        Respond(status, Encoded.GetValue(body, static body => Encoding.UTF8.GetBytes(body)), contentType, headers);
    }

    internal void Decide() => _decided = true;
}
