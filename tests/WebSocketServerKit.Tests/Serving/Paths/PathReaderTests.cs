namespace WebSocketServerKit.Serving.Paths;

public sealed class PathReaderTests
{
    [Theory]
    [InlineData("/", "")]
    [InlineData("/a", "[a]")]
    [InlineData("/a/", "[a]")]
    [InlineData("/a/b", "[a][b]")]
    [InlineData("/a/b/", "[a][b]")]
    [InlineData("//", "[]")]
    [InlineData("//a", "[][a]")]
    [InlineData("/a//", "[a][]")]
    [InlineData("/a//b", "[a][][b]")]
    [InlineData("///", "[][]")]
    public void A_path_has_segments_and_one_slash_at_its_end_makes_no_difference(string path, string expected)
    {
        PathReader reader = new(path);
        string segments = "";
        while (reader.TryRead(out ReadOnlySpan<char> segment))
            segments += $"[{segment}]";
        Assert.Equal(expected, segments);
        Assert.True(reader.IsAtEnd);
        Assert.False(reader.TryRead(out _));
    }

    [Theory]
    [InlineData("/a/b/c", 0, "a/b/c")]
    [InlineData("/a/b/c", 1, "b/c")]
    [InlineData("/a/b/c/", 1, "b/c/")]
    [InlineData("/a/b/c", 3, "")]
    [InlineData("/a/", 1, "")]
    [InlineData("/a//", 1, "/")]
    [InlineData("/", 0, "")]
    [InlineData("//", 0, "/")]
    public void The_rest_is_what_was_not_read_as_it_is(string path, int read, string expected)
    {
        PathReader reader = new(path);
        for (int i = 0; i < read; i++)
            Assert.True(reader.TryRead(out _));
        Assert.Equal(expected, reader.Rest.ToString());
    }
}
