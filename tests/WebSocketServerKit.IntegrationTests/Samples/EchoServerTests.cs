using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.EndPoints;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Samples;

/// <summary>The command line of <c>samples/EchoServer</c>.</summary>
public class EchoServerTests
{
    [Fact]
    public async Task With_tls_and_no_certificate_it_makes_one_and_tells_how_clients_accept_it()
    {
        await using SampleProcess echo = await SampleProcess.StartAsync("EchoServer", "--tls", "--port", "0");
        Assert.Contains("RemoteCertificateValidationCallback", echo.Output, StringComparison.Ordinal);
        using ClientWebSocket client = new();
        client.Options.RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            certificate!.Subject == "CN=localhost" && !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch); // it is for 127.0.0.1
        await client.ConnectAsync(new Uri(echo.Told("Listening on ")), TestServer.Timely);
        Assert.StartsWith("wss://127.0.0.1:", echo.Told("Listening on "), StringComparison.Ordinal);
        await client.AssertEchoAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_certificate_is_read_from_a_PFX_or_PEM_files(bool pfx)
    {
        using SocketFiles files = new();
        string certificate = files.Path(pfx ? "server.pfx" : "server.pem");
        string key = files.Path("key.pem");
        using X509Certificate2 exportable = X509CertificateLoader.LoadPkcs12(FedClient.Certificate.Export(X509ContentType.Pfx), null, X509KeyStorageFlags.Exportable);
        if (pfx)
        {
            await File.WriteAllBytesAsync(certificate, exportable.Export(X509ContentType.Pfx, "geheim"), TestServer.Timely);
        }
        else
        {
            await File.WriteAllTextAsync(certificate, exportable.ExportCertificatePem(), TestServer.Timely);
            await File.WriteAllTextAsync(key, exportable.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem(), TestServer.Timely);
        }

        string[] keyArguments = pfx ? ["--password", "geheim"] : ["--key", key];
        await using SampleProcess echo = await SampleProcess.StartAsync("EchoServer", ["--port", "0", "--certificate", certificate, .. keyArguments]);
        await EndPointClient.AssertServedAsync(IPEndPoint.Parse(echo.Told("Listening on wss://")), secure: true);
        Assert.Contains("https:// in a browser", echo.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_listens_on_a_Unix_domain_socket_instead_of_TCP_or_beside_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "It is stopped by a signal.");
        using SocketFiles files = new();
        string path = files.Path("echo.sock");
        await using (SampleProcess alone = await SampleProcess.StartAsync("EchoServer", "--unix", path))
        {
            Assert.Equal(path, alone.Told("Listening on unix:"));
            await EndPointClient.AssertServedAsync(new UnixDomainSocketEndPoint(path));
            Assert.EndsWith("that were cut: 0.", await alone.StopAsync(), StringComparison.Ordinal);
            Assert.False(File.Exists(path));
        }

        await using SampleProcess beside = await SampleProcess.StartAsync("EchoServer", "--unix", path, "--port", "0");
        await EndPointClient.AssertServedAsync(new UnixDomainSocketEndPoint(path));
        await EndPointClient.AssertServedAsync(IPEndPoint.Parse(beside.Told("Listening on ws://")));
    }

    [Fact]
    public async Task A_PROXY_header_tells_who_the_client_is_and_without_one_nobody_connects()
    {
        await using SampleProcess echo = await SampleProcess.StartAsync("EchoServer", "--proxy-protocol", "--port", "0", "--verbose");
        IPEndPoint endPoint = IPEndPoint.Parse(echo.Told("Listening on ws://"));
        using (TestClient direct = await TestClient.ConnectAsync(endPoint))
        {
            await direct.WriteAsync(TestClient.Request());
            await direct.AssertEndAsync();
        }

        using TestClient proxied = await TestClient.ConnectAsync(endPoint);
        await proxied.WriteAsync((byte[])[.. "PROXY TCP4 203.0.113.9 192.0.2.1 5555 80\r\n"u8, .. TestClient.Request("/hi")]);
        Assert.Equal(101, (await proxied.ReadAnswerAsync()).Status);
        Assert.Contains("203.0.113.9:5555 /hi", await echo.NextLineAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_listens_on_the_sockets_that_systemd_passes()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows passes no sockets.");
        using SocketFiles files = new();
        // What systemd does: the sockets are file descriptors from 3 on, and two variables announce them.
        const string Launcher = """
            import os, socket, sys
            tcp = socket.create_server(("127.0.0.1", 0))
            unix = socket.socket(socket.AF_UNIX)
            unix.bind(sys.argv[1])
            unix.listen()
            spare = [os.dup(s.fileno()) for s in (tcp, unix)]
            moved = [os.dup2(fd, 10 + i) for i, fd in enumerate(spare)]
            for i, fd in enumerate(moved): os.dup2(fd, 3 + i, inheritable=True)
            os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
            os.execvp(sys.argv[2], sys.argv[2:])
            """;
        string path = files.Path("passed.sock");
        await using SampleProcess echo = await StartByPythonAsync(Launcher, path, "--systemd");
        await EndPointClient.AssertServedAsync(IPEndPoint.Parse(echo.Told("Listening on ws://")));
        Assert.Equal(path, echo.Told("Listening on unix:"));
        await EndPointClient.AssertServedAsync(new UnixDomainSocketEndPoint(path));
        await echo.StopAsync();
        Assert.True(File.Exists(path)); // whoever has made the file removes it
    }

    [Fact]
    public async Task It_tells_its_transport_and_serves_on_the_one_that_is_asked_for()
    {
        await using (SampleProcess plain = await SampleProcess.StartAsync("EchoServer", "--port", "0"))
        {
            Assert.Equal("the sockets of .NET", plain.Told("Transport: "));
            await EndPointClient.AssertServedAsync(IPEndPoint.Parse(plain.Told("Listening on ws://")));
        }

        string[] arguments = ["--port", "0", "--transport", "eventloop", "--loops", "3"];
        if (!OperatingSystem.IsLinux())
        {
            (int exitCode, string error) = await SampleProcess.RunAsync("EchoServer", arguments);
            Assert.StartsWith("--transport eventloop needs Linux.", error, StringComparison.Ordinal);
            Assert.Equal(1, exitCode);
            return;
        }

        await using SampleProcess looping = await SampleProcess.StartAsync("EchoServer", arguments);
        Assert.Equal("event loops, threads: 3", looping.Told("Transport: "));
        await EndPointClient.AssertServedAsync(IPEndPoint.Parse(looping.Told("Listening on ws://")));
        // On a busy machine another thread may go on for one that compiles the first handler, until that comes back.
        await Polling.UntilAsync(() => looping.Threads("WebSocket loop ") == 3);
    }

    public static TheoryData<string, string[]> Refused => new()
    {
        { "--key is the key of a certificate: add --certificate", ["--key", "key.pem"] },
        { "--password opens the key of a certificate: add --certificate", ["--tls", "--password", "x"] },
        { "--trusted-proxy says whose PROXY headers are believed: add --proxy-protocol.", ["--trusted-proxy", "10.0.0.0/8"] },
        { "WebSocketServerOptions.TrustedProxies: \"proxy.example\" is no address", ["--proxy-protocol", "--trusted-proxy", "proxy.example"] },
        { "Cannot read the certificate: ", ["--certificate", "/no/such.pfx"] },
        { "--host localhost is no IP address.", ["--unix", "/tmp/unused.sock", "--host", "localhost"] },
        { "systemd has passed no sockets on.", ["--systemd"] },
        { "--loops is the number of event loops: add --transport eventloop.", ["--loops", "2"] },
        { OperatingSystem.IsLinux() ? "--loops is a number from 1 to 1024." : "--transport eventloop needs Linux.", ["--transport", "eventloop", "--loops", "0"] },
        { "Argument 'threads' not recognized. Must be one of:", ["--transport", "threads"] },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Options_that_do_not_fit_are_refused_with_a_message(string message, string[] arguments)
    {
        (int exitCode, string error) = await SampleProcess.RunAsync("EchoServer", arguments);
        Assert.StartsWith(message, error, StringComparison.Ordinal);
        Assert.Equal(1, exitCode);
    }

    private static async Task<SampleProcess> StartByPythonAsync(string script, params string[] arguments)
    {
        try
        {
            return await SampleProcess.StartByAsync("python3", ["-c", script, arguments[0]], "EchoServer", arguments[1..]);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            const string Missing = "This test needs python3: apt-get install python3";
            if (Environment.GetEnvironmentVariable("WSK_REQUIRE_EVERYTHING") == "1")
                Assert.Fail(Missing);
            Assert.Skip(Missing);
            throw;
        }
    }
}
