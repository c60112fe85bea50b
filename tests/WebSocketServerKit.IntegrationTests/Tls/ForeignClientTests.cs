using System.ComponentModel;
using System.Diagnostics;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>Clients of other makers over wss, which check the certificate: OpenSSL's s_client, and Python's package websockets.</summary>
public sealed class ForeignClientTests : IDisposable
{
    // Debian's own, which has its package; another python3 may come first in the path.
    private const string Python = "/usr/bin/python3";

    private const string Script =
        """
        import asyncio, ssl, sys, websockets

        async def main(url, authority):
            context = ssl.create_default_context(cafile=authority)
            async with websockets.connect(url, ssl=context, max_size=None) as client:
                for i in range(200):
                    message = bytes([i]) * (i * 97) if i % 10 == 9 else 'zü€😀' * (i * 7 % 500)
                    await client.send(message)
                    assert await client.recv() == message, i
                await client.close(code=4000, reason='done')
                print(client.transport.get_extra_info('ssl_object').version())

        asyncio.run(main(*sys.argv[1:]))
        """;

    private readonly string _authority = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.pem");

    public ForeignClientTests() => File.WriteAllText(_authority, TestAuthority.Root.Certificate.ExportCertificatePem());

    public void Dispose() => File.Delete(_authority);

    private static Task<TestServer> StartAsync() =>
        TestServer.StartEchoAsync(options => options.Listen("https://127.0.0.1:0", TlsOptions.FromCertificate(TestAuthority.Root.Issue("localhost"))));

    private static void SkipWithout(bool isThere, string what)
    {
        if (isThere)
            return;
        Assert.SkipUnless(Environment.GetEnvironmentVariable("WSK_REQUIRE_EVERYTHING") is "1", $"Needs {what}.");
        Assert.Fail($"{what} is required, and was not found.");
    }

    private static Process? Start(string program, params string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, arguments)
            {
                UseShellExecute = false,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            });
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    private static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string program, params string[] arguments)
    {
        using Process? process = Start(program, arguments);
        if (process is null)
            return (-1, "", "missing");
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestServer.Timely), errors = process.StandardError.ReadToEndAsync(TestServer.Timely);
        try
        {
            await process.WaitForExitAsync(TestServer.Timely);
            return (process.ExitCode, await output, await errors);
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task Messages_of_Python_come_back_as_they_went()
    {
        SkipWithout((await RunAsync(Python, "-c", "import websockets")).ExitCode == 0, "Debian's package python3-websockets");
        await using TestServer server = await StartAsync();
        (int exitCode, string output, string errors) = await RunAsync(Python, "-c", Script, $"wss://localhost:{server.EndPoint.Port}/", _authority);
        Assert.Equal((0, "", "TLSv1.3"), (exitCode, errors, output.Trim()));
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((4000, "done", 200), ((int)end.CloseCode, end.CloseReason, end.Client.MessagesReceived));
    }

    [Theory]
    [InlineData("-tls1_3")]
    [InlineData("-tls1_2")]
    public async Task OpenSSL_is_shown_a_valid_chain_and_the_protocol(string version)
    {
        await using TestServer server = await StartAsync();
        (int exitCode, string output, string errors) = await RunAsync(
            "openssl", "s_client", "-connect", $"127.0.0.1:{server.EndPoint.Port}", "-servername", "localhost", "-verify_hostname", "localhost",
            "-CAfile", _authority, "-verify_return_error", "-alpn", "http/1.1", version);
        SkipWithout(exitCode >= 0, "openssl");
        Assert.True(exitCode == 0, errors);
        Assert.Contains("ALPN protocol: http/1.1", output, StringComparison.Ordinal);
        Assert.Contains("Verify return code: 0 (ok)", output, StringComparison.Ordinal);
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0);
    }
}
