using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Docs;

/// <summary>docs/options.md names all options.</summary>
public sealed class OptionsGuideTests
{
    [Fact]
    public void The_list_names_each_option()
    {
        string list = Repository.Read("docs/options.md");
        Assert.All(typeof(WebSocketServerOptions).GetProperties(), option => Assert.Contains($"`{option.Name}`", list, StringComparison.Ordinal));
    }
}
