using System.Net.WebSockets;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/hosting.md shows code that compiles, a configuration that binds, and messages that are logged so.</summary>
public sealed partial class HostingGuideTests
{
    private static readonly string Guide = Read("docs", "hosting.md");

    [Fact]
    public void Every_block_of_the_guide_is_compiled()
    {
        string code = WithoutIndent(Read("tests", "WebSocketServerKit.HostingTests", "Docs", "HostingGuide.cs"));
        MatchCollection blocks = Block.Matches(Guide);
        Assert.Equal(4, blocks.Count);
        Assert.All(blocks, block => Assert.Contains(WithoutIndent(block.Groups["code"].Value), code, StringComparison.Ordinal));
    }

    [Fact]
    public void The_configuration_of_the_guide_has_no_problem()
    {
        string json = Guide[(Guide.IndexOf("```json\n", StringComparison.Ordinal) + 8)..];
        using MemoryStream stream = new(Encoding.UTF8.GetBytes(json[..json.IndexOf("```", StringComparison.Ordinal)]));
        IConfigurationSection section = new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("WebSocketServers:chat");
        Assert.Empty(ConfigurationCheck.Find(section, allowsUnknownKeys: false));
        ServerSetup setup = new("chat") { Section = section };
        WebSocketServerOptions options = new();
        setup.Bind(options);
        Assert.True(setup.Validate("chat", options).Succeeded);
        Assert.Equal((65536, 512), (options.MaxMessageSize, options.PerMessageDeflate!.MinMessageSize));
    }

    [Fact]
    public async Task The_handler_of_the_guide_welcomes_and_broadcasts()
    {
        await using TestHost host = await TestHost.StartAsync(server => server.AddHandler<HostingGuide.ChatHandler>());
        using ClientWebSocket a = await host.ConnectAsync();
        using ClientWebSocket b = await host.ConnectAsync();
        Assert.Equal(("welcome", "welcome"), (await a.ReceiveAsync(), await b.ReceiveAsync()));
        await a.SendAsync("hi");
        Assert.Equal(("hi", "hi"), (await a.ReceiveAsync(), await b.ReceiveAsync()));
    }

    [Fact]
    public void The_guide_registers_the_health_check_that_it_shows()
    {
        ServiceCollection services = new();
        HostingGuide.Health(services);
        HostingGuide.Activate(services, new ConfigurationBuilder().Build());
        Assert.Contains(services, service => service.IsKeyedService && service.ServiceType == typeof(WebSocketServer) && service.ServiceKey is "chat");
    }

    private static string Read(params string[] path)
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "docs", "hosting.md")))
            root = Path.GetDirectoryName(root.TrimEnd(Path.DirectorySeparatorChar)) ?? throw new DirectoryNotFoundException("There is no docs/hosting.md above the test.");
        return File.ReadAllText(Path.Combine([root, .. path])).ReplaceLineEndings("\n");
    }

    private static string WithoutIndent(string code) => string.Join('\n', code.Split('\n').Select(line => line.Trim()));

    [GeneratedRegex("```csharp\n(?<code>.*?)\n```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Block { get; }
}
