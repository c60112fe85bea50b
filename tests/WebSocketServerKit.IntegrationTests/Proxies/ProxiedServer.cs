using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Channels;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Proxies;

/// <summary>Which of the recommended proxies stands in front.</summary>
public enum Front
{
    /// <summary>nginx ends TLS and sends X-Forwarded-*.</summary>
    Nginx,

    /// <summary>nginx passes TLS through, behind a PROXY header of version 1.</summary>
    NginxStream,

    /// <summary>haproxy ends TLS, also over HTTP/2, and sends X-Forwarded-*.</summary>
    Haproxy,

    /// <summary>haproxy ends TLS, also over HTTP/2, and sends Forwarded.</summary>
    HaproxyForwarded,

    /// <summary>haproxy ends TLS and sends a PROXY header of version 2.</summary>
    HaproxyTcp,

    /// <summary>haproxy passes TLS through, behind a PROXY header of version 2.</summary>
    HaproxyPassThrough,

    /// <summary>haproxy ends TLS, and nginx stands between it and the server.</summary>
    HaproxyNginx,
}

/// <summary>An echo server behind a real proxy, configured as docs/proxies.md recommends. Clients come over TLS for https://app.example.com, on a port of the test's own.</summary>
internal sealed class ProxiedServer : IAsyncDisposable
{
    public const string Host = "app.example.com";

    private static readonly Lazy<DirectoryInfo> Certificates = new(MakeCertificate);

    private readonly List<ProxyProcess> _proxies = [];
    private readonly List<HttpMessageInvoker> _handlers = [];
    private readonly Channel<HandshakeRequest> _requests = Channel.CreateUnbounded<HandshakeRequest>();
    private readonly Channel<HttpRequestReceivedEventArgs> _plainRequests = Channel.CreateUnbounded<HttpRequestReceivedEventArgs>();

    private string? _serverAddress;

    private ProxiedServer()
    {
    }

    public static string CertificateFile => Path.Combine(Certificates.Value.FullName, "certificate.pem");

    public static string KeyFile => Path.Combine(Certificates.Value.FullName, "key.pem");

    public TestServer Server { get; private set; } = null!;

    /// <summary>The proxy that clients connect to.</summary>
    public ProxyProcess Proxy => _proxies[^1];

    public IPEndPoint EndPoint => Proxy.EndPoint;

    /// <summary>What clients write into Host.</summary>
    public string HostAndPort => $"{Host}:{EndPoint.Port}";

    public static bool SpeaksProxyProtocol(Front front) => front is Front.NginxStream or Front.HaproxyTcp or Front.HaproxyPassThrough;

    /// <param name="front">The proxy.</param>
    /// <param name="configure">Further options.</param>
    /// <param name="change">What is different in the proxy's configuration.</param>
    /// <param name="listen">The address of the proxy.</param>
    /// <param name="unixSocket">The path of the server's Unix domain socket; null for a TCP port.</param>
    public static async Task<ProxiedServer> StartAsync(
        Front front, Action<WebSocketServerOptions>? configure = null, Func<string, string>? change = null, IPAddress? listen = null, string? unixSocket = null)
    {
        var proxied = new ProxiedServer { _serverAddress = unixSocket };
        proxied.Server = await TestServer.StartAsync(proxied.Subscribe, options =>
        {
            options.TrustedProxies.Add(unixSocket is null ? "127.0.0.1" : "unix");
            options.AllowedHosts.Add(Host);
            ListenOptions place = new() { ProxyProtocol = SpeaksProxyProtocol(front) };
            if (front is Front.NginxStream or Front.HaproxyPassThrough)
                place.Tls = TlsOptions.FromPem(CertificateFile, KeyFile);
            if (!place.ProxyProtocol)
                options.ForwardedHeaders = front == Front.HaproxyForwarded ? ForwardedHeaderKind.Forwarded : ForwardedHeaderKind.XForwarded;
            options.Listen(unixSocket is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(unixSocket), place);
            configure?.Invoke(options);
        });
        try
        {
            await proxied.StartProxiesAsync(front, change ?? (configuration => configuration), listen);
            return proxied;
        }
        catch
        {
            await proxied.DisposeAsync();
            throw;
        }
    }

    /// <summary>The next request for a WebSocket that the server's rules let in.</summary>
    public async Task<HandshakeRequest> NextRequestAsync() => await _requests.Reader.ReadAsync(TestServer.Timely);

    /// <summary>The next plain request.</summary>
    public async Task<HttpRequestReceivedEventArgs> NextPlainRequestAsync() => await _plainRequests.Reader.ReadAsync(TestServer.Timely);

    /// <summary>Connects through the proxy from an address of its own.</summary>
    public async Task<ClientWebSocket> ConnectAsync(string from = "127.0.0.2", Action<ClientWebSocketOptions>? configure = null)
    {
        (ClientWebSocket client, _, WebSocketException? refused) = await TryConnectAsync(from, configure);
        return refused is null ? client : throw refused;
    }

    /// <summary>A TLS connection to the proxy, for what ClientWebSocket does not send or show.</summary>
    public async Task<SslStream> OpenStreamAsync(string from = "127.0.0.2")
    {
        var stream = new SslStream(await ConnectTcpAsync(from));
        await stream.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = Host,
                ApplicationProtocols = [SslApplicationProtocol.Http11],
                RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Subject is $"CN={Host}",
            },
            TestServer.Timely);
        return stream;
    }

    /// <summary>Sends a request with header lines of its own, and reads the head of the answer.</summary>
    public async Task<string> AskAsync(SslStream stream, params IEnumerable<string> headerLines)
    {
        string request = Raw.RawClient.Request("/", headerLines).Replace("Host: localhost", $"Host: {HostAndPort}", StringComparison.Ordinal);
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), TestServer.Timely);
        var head = new StringBuilder();
        byte[] octet = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(octet, TestServer.Timely);
            head.Append((char)octet[0]);
        }

        return head.ToString();
    }

    /// <summary>The status of the answer to a handshake.</summary>
    public async Task<int> StatusAsync(string from = "127.0.0.2", Action<ClientWebSocketOptions>? configure = null)
    {
        (ClientWebSocket client, int status, _) = await TryConnectAsync(from, configure);
        client.Dispose();
        return status;
    }

    /// <summary>The status of the answer to the handshake of a page's script.</summary>
    public Task<int> StatusAsync(string origin) => StatusAsync("127.0.0.2", options => options.SetRequestHeader("Origin", origin));

    /// <summary>A client for plain requests.</summary>
    public HttpClient CreateHttpClient(Version version, string from = "127.0.0.2")
    {
        var client = new HttpClient(CreateHandler(from)) { BaseAddress = new Uri($"https://{HostAndPort}/"), DefaultRequestVersion = version, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        _handlers.Add(client);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (HttpMessageInvoker handler in _handlers)
            handler.Dispose();
        foreach (ProxyProcess proxy in _proxies)
            await proxy.DisposeAsync();
        await Server.DisposeAsync();
    }

    private async Task<(ClientWebSocket Client, int Status, WebSocketException? Refused)> TryConnectAsync(string from, Action<ClientWebSocketOptions>? configure)
    {
        var client = new ClientWebSocket();
        client.Options.CollectHttpResponseDetails = true;
        configure?.Invoke(client.Options);
        var invoker = new HttpMessageInvoker(CreateHandler(from));
        _handlers.Add(invoker);
        try
        {
            await client.ConnectAsync(new Uri($"wss://{HostAndPort}/"), invoker, TestServer.Timely);
            return (client, (int)client.HttpStatusCode, null);
        }
        catch (WebSocketException refused)
        {
            return (client, (int)client.HttpStatusCode, refused);
        }
    }

    private SocketsHttpHandler CreateHandler(string from) => new()
    {
        UseProxy = false,
        SslOptions = { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.Subject is $"CN={Host}" },
        ConnectCallback = async (_, _) => await ConnectTcpAsync(from),
    };

    private async Task<NetworkStream> ConnectTcpAsync(string from)
    {
        var socket = new Socket(EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
        await socket.ConnectAsync(EndPoint, TestServer.Timely);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private void Subscribe(WebSocketServer server)
    {
        server.Handshaking += (_, e) => _requests.Writer.TryWrite(e.Request);
        server.HttpRequestReceived += (_, e) =>
        {
            _plainRequests.Writer.TryWrite(e);
            e.Respond(HttpStatusCode.OK, $"{e.RemoteEndPoint} {e.Request.Host} {e.Request.IsSecure}");
        };
        server.MessageReceived += async (_, e) => await e.Client.SendAsync(e.Payload, e.MessageType);
    }

    private async Task StartProxiesAsync(Front front, Func<string, string> change, IPAddress? listen)
    {
        switch (front)
        {
            case Front.Nginx:
                _proxies.Add(await ProxyProcess.StartNginxAsync(address => change(Configuration("nginx", address))));
                break;
            case Front.NginxStream:
                _proxies.Add(await ProxyProcess.StartNginxStreamAsync(address => change(Configuration("nginx: TLS passed through", address))));
                break;
            case Front.Haproxy:
                _proxies.Add(await ProxyProcess.StartHaproxyAsync(address => change(Configuration("HAProxy", address)), listen));
                break;
            case Front.HaproxyForwarded:
                _proxies.Add(await ProxyProcess.StartHaproxyAsync(address => change(WithForwarded(Configuration("HAProxy", address))), listen));
                break;
            case Front.HaproxyTcp:
                _proxies.Add(await ProxyProcess.StartHaproxyAsync(address => change(Configuration("HAProxy: PROXY protocol", address)), listen));
                break;
            case Front.HaproxyPassThrough:
                _proxies.Add(await ProxyProcess.StartHaproxyAsync(address => change(Configuration("HAProxy: TLS passed through", address)), listen));
                break;
            case Front.HaproxyNginx:
                _proxies.Add(await ProxyProcess.StartNginxAsync(address => BehindAnother(Configuration("nginx", address))));
                IPEndPoint next = _proxies[0].EndPoint;
                _proxies.Add(await ProxyProcess.StartHaproxyAsync(address => change(Configuration("HAProxy", address, next)), listen));
                break;
        }
    }

    private string Configuration(string heading, string listen, IPEndPoint? next = null) => ProxyDocs.Block(heading, new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["LISTEN_ADDRESS"] = listen,
        ["SERVER_ADDRESS"] = next?.ToString() ?? (_serverAddress is null ? Server.EndPoint.ToString() : $"{(heading.StartsWith("nginx", StringComparison.Ordinal) ? "unix:" : "unix@")}{_serverAddress}"),
        ["CERTIFICATE_FILE"] = CertificateFile,
        ["KEY_FILE"] = KeyFile,
        ["CERTIFICATE_AND_KEY_FILE"] = Path.Combine(Certificates.Value.FullName, "both.pem"),
    });

    // The page tells to put these lines in place of those about X-Forwarded-*.
    private static string WithForwarded(string configuration) =>
        Without(configuration, "option forwardfor", "X-Forwarded-Proto", "X-Forwarded-Host")
            .With("    default_backend", ProxyDocs.Block("HAProxy: Forwarded", new Dictionary<string, string>(StringComparer.Ordinal)) + "    default_backend");

    // The page tells what of nginx's configuration does not belong behind another proxy.
    private static string BehindAnother(string configuration) =>
        Without(configuration, "ssl_certificate ", "ssl_certificate_key ", "X-Forwarded-Proto", "X-Forwarded-Host").With(" ssl http2", "");

    // Each is in one line.
    private static string Without(string configuration, params string[] texts)
    {
        string[] lines = configuration.Split('\n');
        string[] others = [.. lines.Where(line => !texts.Any(text => line.Contains(text, StringComparison.Ordinal)))];
        Assert.Equal(lines.Length - texts.Length, others.Length);
        return string.Join('\n', others);
    }

    private static DirectoryInfo MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={Host}", key, HashAlgorithmName.SHA256);
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(90));
        DirectoryInfo folder = Directory.CreateTempSubdirectory("wsk-certificate-");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Delete(recursive: true);
        string certificatePem = made.ExportCertificatePem() + "\n", keyPem = key.ExportPkcs8PrivateKeyPem() + "\n";
        File.WriteAllText(Path.Combine(folder.FullName, "certificate.pem"), certificatePem);
        File.WriteAllText(Path.Combine(folder.FullName, "key.pem"), keyPem);
        File.WriteAllText(Path.Combine(folder.FullName, "both.pem"), certificatePem + keyPem);
        return folder;
    }
}
