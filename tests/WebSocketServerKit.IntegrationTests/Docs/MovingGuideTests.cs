using System.Text.RegularExpressions;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>The programs of docs/moving.md compile, and what its tables name on the side of this library exists.</summary>
public sealed partial class MovingGuideTests
{
    [Fact]
    public void Each_program_of_this_library_is_compiled() =>
        GuideCode.AssertIsIn("docs/moving.md", 4, "tests/WebSocketServerKit.IntegrationTests/Docs/MovingGuide.cs");

    // The last column of a row: | there | `server.Clients`, … |
    [Fact]
    public void Each_member_that_the_tables_name_exists()
    {
        HashSet<string> members = new(typeof(WebSocketServer).Assembly.GetExportedTypes().SelectMany(type => type.GetMembers().Select(member => member.Name).Append(type.Name)), StringComparer.Ordinal);
        members.UnionWith(["AddWebSocketServer", "AddHandler", "GetState", "HttpStatusCode", "ClientWebSocket", "System", "Net", "WebSockets", "ILoggerFactory", "On", "Forbidden", "T"]);
        string[] named =
        [
            .. Repository.Read("docs/moving.md").Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.TrimEnd(' ', '|').Split(" | ")[^1])
                .SelectMany(cell => Code.Matches(cell)).SelectMany(code => Name.Matches(code.Groups["code"].Value)).Select(name => name.Value).Distinct(StringComparer.Ordinal),
        ];
        Assert.True(named.Length > 30);
        Assert.All(named, name => Assert.Contains(name, members));
    }

    [GeneratedRegex("`(?<code>[^`]+)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Code { get; }

    // Not what is in quotes.
    [GeneratedRegex("""(?<!"[^"]*)\b[A-Z][A-Za-z]*\b""", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Name { get; }
}
