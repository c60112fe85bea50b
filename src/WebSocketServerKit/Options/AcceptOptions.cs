using System.Net;
using System.Security.Claims;
using WebSocketServerKit.Transport;

namespace WebSocketServerKit;

/// <summary>What a host knows of a connection that it brings with <see cref="WebSocketServer.AcceptAsync(Stream, AcceptOptions?, CancellationToken)"/>.</summary>
public sealed class AcceptOptions
{
    /// <summary>The client's address, for limits and handlers. Default: null, which is unknown. All clients without an IP address count as one remote address.</summary>
    public EndPoint? RemoteEndPoint { get; set; }

    /// <summary>
    /// The address that the client connected to. Default: null. Without an IP address the connection counts as one to a loopback address: see <see cref="WebSocketServerOptions.AllowedHosts"/>.
    /// </summary>
    public EndPoint? LocalEndPoint { get; set; }

    /// <summary>
    /// The authenticated user, if the code that brings the connection knows it. It becomes <see cref="WebSocketClient.User"/>, unless a <see cref="WebSocketServer.Handshaking"/> handler
    /// sets another in <see cref="HandshakingEventArgs.User"/>. Default: null.
    /// </summary>
    public ClaimsPrincipal? User { get; set; }

    /// <summary>
    /// What brought the connection, for the handlers: see <see cref="WebSocketClient.Source"/>, <see cref="HandshakingEventArgs.Source"/> and <see cref="HttpRequestReceivedEventArgs.Source"/>.
    /// The server only keeps it. Default: null.
    /// </summary>
    public object? Source { get; set; }

    /// <summary>
    /// Whether the code that brings the connection has checked the host and the origin of the request. Then <see cref="WebSocketServerOptions.AllowedHosts"/> and
    /// <see cref="WebSocketServerOptions.AllowedOrigins"/> do not count for it. Default: false.
    /// </summary>
    public bool IsOriginChecked { get; set; }

    /// <summary>
    /// Whether the client speaks TLS to whoever brings the connection, so that its page is an <c>https</c> one. Default: null, which is unknown.
    /// </summary>
    public bool? IsSecure { get; set; }

    /// <summary>
    /// Cuts the connection at once, so that the client takes it for a failure. Called on the thread pool, at most once and before the stream is disposed of, if the server has to cut the connection.
    /// For streams whose disposal would look like an ordinary end. Default: null. A pipe does not need it: it is completed with an exception.
    /// </summary>
    public Action? Abort { get; set; }

    /// <summary>
    /// Whether the server may use the stream directly: on the threads that are there anyway, and with buffers that go on to be used. That saves copies and threads. Only for streams whose
    /// asynchronous methods never block, end soon when their token is cancelled, <see cref="Abort"/> is called or the stream is disposed of, and have done with their buffer when they have ended; a
    /// read that was cancelled has taken nothing. Otherwise one connection can hold up others, or send and receive their bytes. Default: false. Without effect for a pipe.
    /// </summary>
    public bool IsStreamTrusted { get; set; }

    /// <summary>
    /// The first part of the request's path that is not compared with the templates of <see cref="WebSocketServer.Path"/>, percent-decoded: <c>/app</c>, if the code that brings the connection serves
    /// everything below that. <see cref="WebSocketClient.Path"/> remains the whole path. Without effect if the path does not begin with it. Default: null.
    /// </summary>
    public string? PathBase { get; set; }

    /// <summary>For WebSocketServerKit.Testing: called with the client before its answer is sent and before ClientConnected is raised. It must not throw.</summary>
    internal Action<WebSocketClient>? Opened { get; set; }

    /// <summary>Null if there is nothing to keep.</summary>
    internal HostFacts? ToFacts() =>
        User is null && Source is null && !IsOriginChecked && IsSecure is null && string.IsNullOrEmpty(PathBase) && Opened is null
            ? null
            : new HostFacts(Source, User, IsOriginChecked, IsSecure, PathBase, Opened is { } opened ? client => opened((WebSocketClient)client) : null);
}
