namespace WebSocketServerKit;

public sealed class WebSocketServerPathsTests : IDisposable
{
    private readonly WebSocketServer _server = new("http://localhost:0");

    public void Dispose() => _server.Dispose();

    [Fact]
    public void The_same_template_is_the_same_path()
    {
        Assert.Null(_server.Paths);
        WebSocketPath path = _server.Path("/chat/{room}", new PathOptions { MaxMessageSize = 5 });
        Assert.Same(path, _server.Path("/chat/{room}"));
        Assert.NotSame(path, _server.Path("/chat"));
        Assert.Equal(5, path.Options.MaxMessageSize);
        Assert.Equal(2, _server.Paths!.Templates.Length);
    }

    [Fact]
    public void Options_for_a_path_that_exists_are_refused_since_they_would_have_no_effect()
    {
        _server.Path("/chat");
        ArgumentException refusal = Assert.Throws<ArgumentException>("options", () => _server.Path("/chat", new PathOptions()));
        Assert.StartsWith("The path \"/chat\" was added before, and keeps its options.", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/chat/{room}", "/chat/{name}")]
    [InlineData("/{*rest}", "/{*all}")]
    public void A_template_that_matches_the_same_paths_as_another_is_refused(string first, string second)
    {
        _server.Path(first);
        ArgumentException refusal = Assert.Throws<ArgumentException>("template", () => _server.Path(second));
        Assert.StartsWith($"\"{second}\" matches the same paths as \"{first}\", which was added before.", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_are_checked_and_copied_by_the_call()
    {
        var options = new PathOptions { MaxMessageSize = 0 };
        Assert.StartsWith("PathOptions.MaxMessageSize is 0; it must be from 1 to ", Assert.Throws<ArgumentException>(() => _server.Path("/a", options)).Message, StringComparison.Ordinal);
        Assert.Null(_server.Paths);
        options.MaxMessageSize = 7;
        WebSocketPath path = _server.Path("/a", options);
        options.MaxMessageSize = 8;
        Assert.Equal(7, path.Options.MaxMessageSize);
    }

    [Fact]
    public void A_bad_template_adds_nothing()
    {
        Assert.Throws<ArgumentNullException>(() => _server.Path(null!));
        Assert.Throws<ArgumentException>(() => _server.Path("chat"));
        Assert.Null(_server.Paths);
    }

    [Fact]
    public void Threads_that_add_the_same_paths_get_the_same_objects()
    {
        var paths = new WebSocketPath[8, 50];
        Parallel.For(0, 8, thread =>
        {
            for (int i = 0; i < 50; i++)
                paths[thread, i] = _server.Path($"/p{i}");
        });
        for (int i = 0; i < 50; i++)
            Assert.Single(Enumerable.Range(0, 8).Select(thread => paths[thread, i]).Distinct());
        Assert.Equal(50, _server.Paths!.Templates.Length);
    }
}
