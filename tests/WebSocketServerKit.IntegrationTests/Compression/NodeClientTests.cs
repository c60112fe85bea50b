using System.ComponentModel;
using System.Diagnostics;
using System.Net;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Compression;

/// <summary>permessage-deflate with Node's most common client, the package <c>ws</c>. It is looked for where Node looks, so NODE_PATH may tell where it lies.</summary>
public class NodeClientTests
{
    // Sends messages of many sizes, and fails unless each comes back as it went. Prints what was agreed on.
    private const string Script =
        """
        const { WebSocket } = require('ws');
        const [url, parameters, ca] = process.argv.slice(1);
        const client = new WebSocket(url, { ca, perMessageDeflate: { threshold: 0, ...JSON.parse(parameters) } });
        const count = 1000;
        const message = i => i % 10 === 9 ? Buffer.alloc(i * 97, i) : JSON.stringify({ i, text: 'zü€😀'.repeat(i * 7 % 500) });
        let received = 0;
        client.on('error', error => { throw error; });
        client.on('open', () => { for (let i = 0; i < count; i++) client.send(message(i)); });
        client.on('message', (data, isBinary) => {
          const expected = message(received++);
          if (isBinary !== Buffer.isBuffer(expected) || !data.equals(Buffer.from(expected))) throw new Error(`message ${received - 1} came back changed`);
          if (received === count) client.close(1000);
        });
        client.on('close', code => {
          if (code !== 1000 || received !== count) throw new Error(`closed with ${code} after ${received} messages`);
          console.log(client.extensions);
        });
        """;

    [Theory]
    [InlineData("{}", "permessage-deflate")]
    [InlineData("""{"serverNoContextTakeover":true}""", "permessage-deflate; server_no_context_takeover")]
    [InlineData("""{"clientNoContextTakeover":true}""", "permessage-deflate; client_no_context_takeover")]
    [InlineData("""{"serverMaxWindowBits":9,"clientMaxWindowBits":9}""", "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9")]
    [InlineData("""{"serverMaxWindowBits":12,"clientMaxWindowBits":15}""", "permessage-deflate; server_no_context_takeover; server_max_window_bits=12")]
    public async Task A_thousand_messages_come_back_as_they_went(string parameters, string agreed)
    {
        await SkipWithoutNodeAsync();
        await using TestServer server = await Interop.StartPiecewiseEchoAsync(Interop.Everything);
        (int exitCode, string output, string errors) = await RunAsync(Script, $"ws://{server.EndPoint}/", parameters);
        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Equal("permessage-deflate", output.Trim());
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((agreed, 1_000, 1_000), (end.Client.Extensions, end.Client.MessagesReceived, end.Client.MessagesSent));
    }

    // Node checks the certificate.
    [Fact]
    public async Task A_thousand_messages_come_back_as_they_went_over_wss()
    {
        await SkipWithoutNodeAsync();
        await using TestServer server = await TestServer.StartEchoAsync(options =>
        {
            options.PerMessageDeflate = Interop.Everything;
            options.Listen(new IPEndPoint(IPAddress.Loopback, 0), OverTlsAttribute.Listen);
        });
        (int exitCode, string output, string errors) =
            await RunAsync(Script, $"wss://localhost:{server.EndPoint.Port}/", "{}", TestAuthority.Root.Certificate.ExportCertificatePem());
        Assert.Equal((0, "", "permessage-deflate"), (exitCode, errors, output.Trim()));
        ClientDisconnectedEventArgs end = await server.NextEndAsync();
        Assert.Equal((1_000, 1_000, "localhost"), (end.Client.MessagesReceived, end.Client.MessagesSent, end.Client.Tls!.ServerName));
    }

    private static async Task SkipWithoutNodeAsync()
    {
        (int exitCode, _, string whyNot) = await RunAsync("require('ws')");
        if (exitCode == 0)
            return;
        Assert.SkipUnless(Environment.GetEnvironmentVariable("WSK_REQUIRE_EVERYTHING") is "1", "Needs Node and its package ws: npm install ws, and NODE_PATH.");
        Assert.Fail($"Node and its package ws are required, and were not found: {whyNot}");
    }

    private static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string script, params string[] arguments)
    {
        ProcessStartInfo start = new("node", ["-e", script, .. arguments]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process node = Process.Start(start)!;
            Task<string> output = node.StandardOutput.ReadToEndAsync(TestServer.Timely), errors = node.StandardError.ReadToEndAsync(TestServer.Timely);
            try
            {
                await node.WaitForExitAsync(TestServer.Timely);
                return (node.ExitCode, await output, await errors);
            }
            finally
            {
                node.Kill();
            }
        }
        catch (Win32Exception missing)
        {
            return (-1, "", missing.Message);
        }
    }
}
