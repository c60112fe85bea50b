using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Tls;

/// <summary>What only OpenSSL's s_client does on command: new keys, renegotiation. The clock stands still, so the server writes nothing by itself and no timeout helps.</summary>
public class OpenSslTests
{
    private static Task<TestServer> StartAsync(ListenOptions? listen) => TestServer.StartEchoAsync(options =>
    {
        options.UseTimeProvider(new FakeTimeProvider());
        options.Listen(new IPEndPoint(IPAddress.Loopback, 0), listen);
    });

    // K asks for a new key of the server's too, k does not.
    [Theory]
    [InlineData("K")]
    [InlineData("k")]
    public async Task New_keys_are_taken_and_given(string command)
    {
        await using TestServer server = await StartAsync(OverTlsAttribute.Listen);
        await using SClient client = SClient.Start(server, "-tls1_3");
        await client.OpenAsync();
        for (int i = 0; i < 150; i++)
        {
            await client.CommandAsync(command, "KEYUPDATE");
            await client.EchoAsync($"message {i};");
        }

        Assert.Equal(SslProtocols.Tls13, (await server.NextClientAsync()).Tls!.Protocol);
        Assert.Single(server.Clients);
    }

    // Each makes TLS owe an answer, which it holds in memory until the server writes.
    [Fact]
    public async Task New_keys_without_end_end_the_client()
    {
        await using TestServer server = await StartAsync(OverTlsAttribute.Listen);
        await using SClient client = SClient.Start(server, "-tls1_3");
        await client.OpenAsync();
        for (int i = 0; i < 99; i++)
            await client.CommandAsync("K", "KEYUPDATE");
        // The server has taken them all: this stands behind them.
        await client.EchoAsync("still there;");
        for (int i = 0; i < 101; i++)
            await client.CommandAsync("K", "KEYUPDATE");
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((DisconnectCause.ConnectionLost, 1006, 1), (end.Cause, (int)end.CloseCode, end.Client.MessagesReceived));
        Assert.Contains("too many TLS records without data", end.Exception!.ToString(), StringComparison.Ordinal);
        await AssertServesOthersAsync(server);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_renegotiation_ends_the_client_and_nobody_else(bool isAllowed)
    {
        using var certificate = TestAuthority.Root.Issue("localhost");
        TlsOptions tls = new SslServerAuthenticationOptions { ServerCertificate = certificate, AllowRenegotiation = isAllowed };
        await using TestServer server = await StartAsync(tls);
        await using SClient client = SClient.Start(server, "-tls1_2");
        await client.OpenAsync();
        await client.EchoAsync("before;");
        await client.CommandAsync("R", "RENEGOTIATING");
        Assert.Equal(DisconnectCause.ConnectionLost, (await server.NextEndAsync()).Cause);
        await AssertServesOthersAsync(server);
    }

    [Fact]
    public async Task On_a_plain_port_it_is_ended_at_once()
    {
        await using TestServer server = await StartAsync(null);
        await using SClient client = SClient.Start(server, "-tls1_3");
        await client.WhenEndedAsync();
        Assert.Equal(LogLevel.Warning, Assert.Single(server.Log.Of(28)).Level);
    }

    private static async Task AssertServesOthersAsync(TestServer server)
    {
        await Polling.UntilAsync(() => server.Server.BufferedBytes == 0 && server.Clients.Count == 0);
        Assert.Empty(server.Log.Troubles);
        using SecureStream other = await SecureStream.ConnectAsync(server.EndPoint);
        await other.EchoAsync();
    }

    /// <summary>The program. What it prints, on both of its outputs, is searched for what a test waits for.</summary>
    private sealed class SClient : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly Lock _gate = new();
        private readonly StringBuilder _printed = new();
        private readonly Task _reading;
        private int _searched;

        private SClient(Process process)
        {
            _process = process;
            _reading = Task.WhenAll(ReadAsync(process.StandardOutput.BaseStream), ReadAsync(process.StandardError.BaseStream));
        }

        public static SClient Start(TestServer server, string version)
        {
            try
            {
                return new SClient(Process.Start(new ProcessStartInfo("openssl", ["s_client", "-connect", $"{server.EndPoint}", "-servername", "localhost", version])
                {
                    UseShellExecute = false,
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                })!);
            }
            catch (Win32Exception)
            {
                Assert.SkipUnless(Environment.GetEnvironmentVariable("WSK_REQUIRE_EVERYTHING") is "1", "Needs openssl.");
                throw;
            }
        }

        public async Task OpenAsync()
        {
            // It reads commands and data once it has printed the session.
            await WhenPrintedAsync("Verify return code");
            await WriteAsync(TestClient.Request());
            await WhenPrintedAsync("HTTP/1.1 101 ");
        }

        public async Task EchoAsync(string text)
        {
            await WriteAsync(TestClient.Text(text));
            await WhenPrintedAsync(text);
        }

        /// <summary>One letter, which it obeys if it reads it alone: so it has to print that it does before the next.</summary>
        public async Task CommandAsync(string letter, string printed)
        {
            await WriteAsync(Encoding.ASCII.GetBytes(letter + "\n"));
            await WhenPrintedAsync(printed);
        }

        public async Task WhenEndedAsync()
        {
            await _reading.Timely();
            await _process.WaitForExitAsync(TestServer.Timely);
        }

        public async ValueTask DisposeAsync()
        {
            _process.Kill();
            await WhenEndedAsync();
            _process.Dispose();
        }

        private async Task WriteAsync(ReadOnlyMemory<byte> bytes)
        {
            await _process.StandardInput.BaseStream.WriteAsync(bytes, TestServer.Timely);
            await _process.StandardInput.BaseStream.FlushAsync(TestServer.Timely);
        }

        // What comes before it is not searched again.
        private Task WhenPrintedAsync(string text) => Polling.UntilAsync(() =>
        {
            lock (_gate)
            {
                string printed = _printed.ToString();
                int found = printed.IndexOf(text, _searched, StringComparison.Ordinal);
                if (found >= 0)
                    _searched = found + text.Length;
                return found >= 0;
            }
        });

        private async Task ReadAsync(Stream output)
        {
            byte[] buffer = new byte[4 * 1024];
            int count;
            while ((count = await output.ReadAsync(buffer)) > 0)
            {
                lock (_gate)
                    _printed.Append(Encoding.Latin1.GetString(buffer, 0, count));
            }
        }
    }
}
