using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>The programs of docs/getting-started.md compile. CI runs the one with the page.</summary>
public sealed class GettingStartedTests
{
    [Fact]
    public void Each_block_of_code_is_compiled() =>
        GuideCode.AssertIsIn("docs/getting-started.md", 4, "tests/WebSocketServerKit.IntegrationTests/Docs/GettingStarted.cs");
}
