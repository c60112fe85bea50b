using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>The framework's client side of TLS, over a socket that the test can cut, end and write to below TLS.</summary>
internal sealed class SecureStream : IDisposable
{
    private SecureStream(Socket socket)
    {
        Socket = socket;
        Tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
    }

    public Socket Socket { get; }

    public SslStream Tls { get; }

    /// <summary>What the server has sent beside its own certificate, and what it has sent itself.</summary>
    public X509Certificate2Collection Sent { get; } = [];

    /// <summary>Connects, and does the TLS handshake. The certificate has to be valid for the name, and issued below the root of the tests, unless <paramref name="configure"/> says otherwise.</summary>
    public static async Task<SecureStream> ConnectAsync(EndPoint endPoint, string name = "localhost", Action<SslClientAuthenticationOptions>? configure = null)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(endPoint, TestServer.Timely);
        var stream = new SecureStream(socket);
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = name,
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            {
                stream.Sent.AddRange(chain!.ChainPolicy.ExtraStore);
                return errors is SslPolicyErrors.None or SslPolicyErrors.RemoteCertificateChainErrors && TestAuthority.Root.Trusts(certificate, chain);
            },
        };
        configure?.Invoke(options);
        try
        {
            await stream.Tls.AuthenticateAsClientAsync(options, TestServer.Timely);
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The subject of the certificate that the server shows for a name; it may be one for another name.</summary>
    public static async Task<string> SubjectAsync(EndPoint endPoint, string name)
    {
        using SecureStream stream = await ConnectAsync(endPoint, name, options =>
            options.RemoteCertificateValidationCallback = (_, certificate, chain, _) => TestAuthority.Root.Trusts(certificate, chain));
        return stream.Tls.RemoteCertificate!.Subject;
    }

    /// <summary>The TLS handshake fails. The client may learn that only when it reads: it is done before the server has looked at its certificate.</summary>
    public static async Task AssertRefusedAsync(EndPoint endPoint, string name = "localhost", Action<SslClientAuthenticationOptions>? configure = null)
    {
        SecureStream stream;
        try
        {
            stream = await ConnectAsync(endPoint, name, configure);
        }
        catch (Exception refused) when (refused is IOException or AuthenticationException)
        {
            return;
        }

        using (stream)
            await stream.AssertRefusedAsync();
    }

    public Task WriteAsync(ReadOnlyMemory<byte> bytes) => Tls.WriteAsync(bytes, TestServer.Timely).AsTask();

    /// <summary>The opening handshake, and an echo.</summary>
    public async Task EchoAsync()
    {
        await OpenAsync();
        await EchoAsync("still there?");
    }

    public async Task OpenAsync()
    {
        await WriteAsync(TestClient.Request());
        Assert.StartsWith("HTTP/1.1 101 ", await ReadHeadAsync(), StringComparison.Ordinal);
    }

    public async Task EchoAsync(string text)
    {
        await WriteAsync(TestClient.Text(text));
        byte[] frame = new byte[2 + Encoding.UTF8.GetByteCount(text)];
        await Tls.ReadExactlyAsync(frame, TestServer.Timely);
        Assert.Equal(text, Encoding.UTF8.GetString(frame.AsSpan(2)));
    }

    public async Task<string> ReadHeadAsync()
    {
        var head = new StringBuilder();
        byte[] octet = new byte[1];
        while (head.Length < 4 || !head.ToString(head.Length - 4, 4).Equals("\r\n\r\n", StringComparison.Ordinal))
        {
            await Tls.ReadExactlyAsync(octet, TestServer.Timely);
            head.Append((char)octet[0]);
        }

        return head.ToString();
    }

    /// <summary>The server has ended TLS: with an alert, a close_notify, or a reset; no byte of the application came.</summary>
    public async Task AssertRefusedAsync()
    {
        try
        {
            Assert.Equal(0, await Tls.ReadAsync(new byte[1], TestServer.Timely));
        }
        catch (Exception refused) when (refused is IOException or AuthenticationException)
        {
            // An alert, or a reset.
        }
    }

    public void Dispose()
    {
        Tls.Dispose();
        Socket.Dispose();
    }
}
