using System.Diagnostics;
using System.Net;
using System.Net.WebSockets;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Samples;

/// <summary><c>samples/HostedService</c>, as a container or systemd runs it.</summary>
public sealed class HostedServiceTests
{
    private const string Started = "is started: ";

    private static Process Start(params (string Key, string Value)[] environment)
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "HostedService.dll")]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["WebSocketServers__chat__Urls__0"] = "http://127.0.0.1:0";
        start.Environment["Metrics__Port"] = ""; // another test may have it
        foreach ((string key, string value) in environment)
            start.Environment[key] = value;
        return Process.Start(start)!;
    }

    private static async Task<IPEndPoint> EndPointOfAsync(Process process)
    {
        while (await process.StandardOutput.ReadLineAsync(TestHost.Timely) is { } line)
        {
            if (line.IndexOf(Started, StringComparison.Ordinal) is >= 0 and var at)
                return IPEndPoint.Parse(line[(at + Started.Length)..].Trim());
        }

        throw new InvalidOperationException(await process.StandardError.ReadToEndAsync(TestHost.Timely));
    }

    [Fact]
    public async Task SIGTERM_closes_its_clients_with_1001_and_the_exit_code_is_0()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no SIGTERM.");
        using Process process = Start(("WebSocketServers__chat__Stop__Spread", "00:00:00.01"));
        try
        {
            IPEndPoint endPoint = await EndPointOfAsync(process);
            using ClientWebSocket ann = await TestHost.ConnectAsync(endPoint, "/chat/lobby?name=Ann");
            Assert.Equal("Ann is here", await ann.ReceiveAsync());
            await ann.SendAsync("hi");
            Assert.Equal("Ann: hi", await ann.ReceiveAsync());
            using ClientWebSocket bob = await TestHost.ConnectAsync(endPoint, "/chat/lobby?name=Bob");
            Assert.Equal(("Ann: hi", "Bob is here"), (await bob.ReceiveAsync(), await bob.ReceiveAsync()));
            Assert.Equal("Bob is here", await ann.ReceiveAsync());
            await bob.LeaveAsync();
            Assert.Equal("Bob has left", await ann.ReceiveAsync());

            using (HttpClient http = new())
            {
                Assert.Equal("healthy\n", await http.GetStringAsync(new Uri($"http://{endPoint}/readyz"), TestHost.Timely));
                Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(new Uri($"http://{endPoint}/healthz"), TestHost.Timely)).StatusCode);
            }

            using Process kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
            Assert.Equal("closed 1001", await ann.ReceiveAsync());
            Assert.Equal("the chat stops", ann.CloseStatusDescription);
            await ann.LeaveAsync();
            string rest = await process.StandardOutput.ReadToEndAsync(TestHost.Timely);
            await process.WaitForExitAsync(TestHost.Timely);
            Assert.Equal(0, process.ExitCode);
            Assert.Contains("1 clients left cleanly", rest, StringComparison.Ordinal);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    [Fact]
    public async Task Prometheus_gets_the_figures_of_the_clients()
    {
        // A port that is free now. Another program could take it before the sample does; then this fails, and says so.
        using System.Net.Sockets.TcpListener free = new(IPAddress.Loopback, 0);
        free.Start();
        int port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        using Process process = Start(("Metrics__Port", $"{port}"));
        try
        {
            using ClientWebSocket ann = await TestHost.ConnectAsync(await EndPointOfAsync(process), "/chat/lobby?name=Ann");
            Assert.Equal("Ann is here", await ann.ReceiveAsync());
            using HttpClient http = new();
            string metrics = await http.GetStringAsync(new Uri($"http://localhost:{port}/metrics"), TestHost.Timely);
            Assert.Matches("websocket_server_clients\\{[^}]*websocket_server_name=\"chat\"[^}]*\\} 1\n", metrics);
            Assert.Matches("websocket_server_messages_total\\{[^}]*network_io_direction=\"transmit\"[^}]*\\} 1\n", metrics);
            Assert.Matches("websocket_server_handshake_duration_seconds_bucket\\{[^}]*http_response_status_code=\"101\"", metrics);
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task The_page_for_the_operator_needs_a_password_and_lists_and_disconnects_clients()
    {
        using Process process = Start(("Admin__Password", "secret"), ("Admin__AllowDisconnect", "true"));
        try
        {
            IPEndPoint endPoint = await EndPointOfAsync(process);
            using ClientWebSocket ann = await TestHost.ConnectAsync(endPoint, "/chat/<b>?name=Ann");
            Assert.Equal("Ann is here", await ann.ReceiveAsync());
            Uri page = new($"http://{endPoint}/admin");
            using HttpClient http = new(new HttpClientHandler { AllowAutoRedirect = false });
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(page, TestHost.Timely)).StatusCode);
            http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String("admin:wrong"u8));
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(page, TestHost.Timely)).StatusCode);
            http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String("admin:secret"u8));
            string html = await http.GetStringAsync(page, TestHost.Timely);
            Assert.Contains("1 of ", html, StringComparison.Ordinal);
            Assert.Contains("/chat/&lt;b&gt;", html, StringComparison.Ordinal);
            Uri disconnect = new($"http://{endPoint}/admin?disconnect=1");
            Assert.Equal(HttpStatusCode.Forbidden, (await http.PostAsync(disconnect, null, TestHost.Timely)).StatusCode);
            http.DefaultRequestHeaders.Add("Origin", $"http://{endPoint}");
            Assert.Equal(HttpStatusCode.SeeOther, (await http.PostAsync(disconnect, null, TestHost.Timely)).StatusCode);
            Assert.Equal("closed 1008", await ann.ReceiveAsync());
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task Without_a_password_there_is_no_page_for_the_operator()
    {
        using Process process = Start();
        try
        {
            using HttpClient http = new();
            Assert.Equal(HttpStatusCode.UpgradeRequired, (await http.GetAsync(new Uri($"http://{await EndPointOfAsync(process)}/admin"), TestHost.Timely)).StatusCode);
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task A_misspelt_key_keeps_it_from_starting_and_is_named()
    {
        using Process process = Start(("WebSocketServers__chat__MaxClient", "3"));
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestHost.Timely);
        Assert.Contains("WebSocketServers:chat:MaxClient: unknown; did you mean MaxClients?", await process.StandardError.ReadToEndAsync(TestHost.Timely), StringComparison.Ordinal);
        await output;
        await process.WaitForExitAsync(TestHost.Timely);
        Assert.NotEqual(0, process.ExitCode);
    }
}
