using System.Net.WebSockets;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/hosting.md shows code that compiles, a configuration that binds, and messages that are logged so.</summary>
public sealed class HostingGuideTests
{
    [Theory]
    [InlineData("hosting.md", 4)]
    [InlineData("metrics.md", 1)]
    public void Every_block_of_the_guides_is_compiled(string guide, int count) =>
        GuideCode.AssertIsIn($"docs/{guide}", count, "tests/WebSocketServerKit.HostingTests/Docs/HostingGuide.cs");

    [Fact]
    public void The_configuration_of_the_guide_has_no_problem()
    {
        string guide = Repository.Read("docs/hosting.md");
        string json = guide[(guide.IndexOf("```json\n", StringComparison.Ordinal) + 8)..];
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
}
