using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/tls.md, docs/proxies.md and docs/compression.md show code that compiles, and options that are valid.</summary>
public sealed class ServingGuidesTests
{
    [Theory]
    [InlineData("tls.md", 4)]
    [InlineData("proxies.md", 1)]
    [InlineData("compression.md", 2)]
    public void Each_block_of_code_is_compiled(string guide, int count) =>
        GuideCode.AssertIsIn($"docs/{guide}", count, "tests/WebSocketServerKit.IntegrationTests/Docs/ServingGuides.cs");

    [Fact]
    public void The_options_are_valid()
    {
        ServingGuides.Proxied().Validate();
        ServingGuides.Compressed().Validate();
    }
}
