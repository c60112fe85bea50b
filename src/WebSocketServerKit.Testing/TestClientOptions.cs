using System.Net;
using System.Net.WebSockets;
using System.Security.Claims;

namespace WebSocketServerKit.Testing;

/// <summary>How a <see cref="TestClient"/> connects, and how it waits. Set it in the <c>configure</c> parameter of the methods that connect.</summary>
public sealed class TestClientOptions
{
    /// <summary>
    /// More headers of the request, in the order in which they are sent: see <see cref="AddHeader"/>. One that the client sends itself (<c>Host</c>, <c>Upgrade</c>, <c>Connection</c>,
    /// <c>Sec-WebSocket-Key</c>, <c>Sec-WebSocket-Version</c>, <c>Sec-WebSocket-Protocol</c>, <c>Sec-WebSocket-Extensions</c>) takes the place of the client's.
    /// </summary>
    public IList<KeyValuePair<string, string>> Headers { get; } = [];

    /// <summary>The subprotocols that the client offers, the preferred one first. Default: none.</summary>
    public IList<string> Subprotocols { get; } = [];

    /// <summary>The compression (permessage-deflate) that the client offers: <c>options.Compression = new()</c>. Default: null for none.</summary>
    public WebSocketDeflateOptions? Compression { get; set; }

    /// <summary>The authenticated user, as if the code that brings the connection knew it: see <see cref="AcceptOptions.User"/>. Default: null.</summary>
    public ClaimsPrincipal? User { get; set; }

    /// <summary>The address that the client comes from, for limits, for trusted proxies and for handlers. Default: null, which is unknown; all such clients count as one address.</summary>
    public EndPoint? RemoteEndPoint { get; set; }

    /// <summary>The address that the client has connected to. Default: null, which counts as a loopback address: see <see cref="WebSocketServerOptions.AllowedHosts"/>. The <c>Host</c> header is <c>localhost</c> unless another is added.</summary>
    public EndPoint? LocalEndPoint { get; set; }

    /// <summary>What brought the connection, for handlers: see <see cref="AcceptOptions.Source"/>. Default: null.</summary>
    public object? Source { get; set; }

    /// <summary>Whether handlers are told that the client speaks TLS: see <see cref="HandshakeRequest.IsSecure"/>. Default: null, which is unknown.</summary>
    public bool? IsSecure { get; set; }

    /// <summary>
    /// How many bytes wait in each direction between the server and the client, as in the buffers of the system, before whoever writes has to wait. A small buffer makes a client that does not read
    /// (<see cref="TestClient.PauseReading"/>) slow at once. At least 1. Default: 64 KiB.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is less than 1.</exception>
    public int BufferSize
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            field = value;
        }
    } = 64 * 1024;

    /// <summary>
    /// How long each wait may take, in real time whatever clock the server has: a test that would hang fails, with a <see cref="TimeoutException"/> that says what was awaited.
    /// <see cref="Timeout.InfiniteTimeSpan"/> for no limit; there is none either while a debugger is attached. Default: 10 s.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is neither positive nor infinite.</exception>
    public TimeSpan Timeout
    {
        get;
        set => field = Guard.Checked(value);
    } = TimeSpan.FromSeconds(10);

    /// <summary>Ends every wait of the client: <c>options.CancellationToken = TestContext.Current.CancellationToken</c> where the test framework has such a token. Default: none.</summary>
    public CancellationToken CancellationToken { get; set; }

    /// <summary>Adds a header to the request: <c>options.AddHeader("Origin", "https://app.example.com")</c>.</summary>
    /// <returns>These options.</returns>
    /// <exception cref="ArgumentException">The name or the value has a line end, or the name has a colon or is empty. Send such a request with <see cref="TestingExtensions.OpenStream"/>.</exception>
    public TestClientOptions AddHeader(string name, string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(value);
        if (name.AsSpan().ContainsAny("\r\n:") || value.AsSpan().ContainsAny('\r', '\n'))
            throw new ArgumentException($"The header {name} has a line end, or its name a colon. Send such a request byte by byte, with server.OpenStream().", nameof(name));
        Headers.Add(new(name, value));
        return this;
    }

    internal static TestClientOptions Of(Action<TestClientOptions>? configure)
    {
        TestClientOptions options = new();
        configure?.Invoke(options);
        return options;
    }
}
