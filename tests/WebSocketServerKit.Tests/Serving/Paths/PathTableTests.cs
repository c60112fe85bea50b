namespace WebSocketServerKit.Serving.Paths;

public sealed class PathTableTests
{
    private static PathTable<string> Table(params string[] templates) =>
        templates.Aggregate(PathTable<string>.Empty, (table, template) => table.With(PathTemplate.Parse(template), template));

    private static string? Find(PathTable<string> table, string path) => table.TryFind(path, out string? value, out _) ? value : null;

    [Theory]
    [InlineData("/chat", "/chat", true)]
    [InlineData("/chat", "/chat/", true)]
    [InlineData("/chat", "/chat//", false)]
    [InlineData("/chat", "/Chat", false)]
    [InlineData("/chat", "/chat2", false)]
    [InlineData("/chat", "/cha", false)]
    [InlineData("/chat", "/chat/x", false)]
    [InlineData("/chat", "/", false)]
    [InlineData("/chat", "//chat", false)]
    [InlineData("/", "/", true)]
    [InlineData("/", "//", false)]
    [InlineData("/", "/x", false)]
    [InlineData("/a/b", "/a%2Fb", false)]
    [InlineData("/chat/{room}", "/chat/lobby", true)]
    [InlineData("/chat/{room}", "/chat/lobby/", true)]
    [InlineData("/chat/{room}", "/chat", false)]
    [InlineData("/chat/{room}", "/chat/", false)]
    [InlineData("/chat/{room}", "/chat//", false)]
    [InlineData("/chat/{room}", "/chat/a/b", false)]
    [InlineData("/chat/{room}", "/chat/.", false)]
    [InlineData("/chat/{room}", "/chat/..", false)]
    [InlineData("/chat/{room}", "/chat/...", true)]
    [InlineData("/chat/{room}", "/chat/a%2Fb", true)]
    [InlineData("/files/{*rest}", "/files", true)]
    [InlineData("/files/{*rest}", "/files/", true)]
    [InlineData("/files/{*rest}", "/files/a/b//c/", true)]
    [InlineData("/files/{*rest}", "/files/a/../b", false)]
    [InlineData("/files/{*rest}", "/files/..", false)]
    [InlineData("/files/{*rest}", "/files/a/./", false)]
    [InlineData("/files/{*rest}", "/file", false)]
    [InlineData("/{*all}", "/", true)]
    [InlineData("/{*all}", "//", true)]
    [InlineData("/{*all}", "/any/thing", true)]
    [InlineData("/{*all}", "/../thing", false)]
    public void A_template_matches_segment_by_segment(string template, string path, bool matches) =>
        Assert.Equal(matches ? template : null, Find(Table(template), path));

    [Theory]
    [InlineData("/a/b", "/a/b")]
    [InlineData("/a/x", "/a/{p}")]
    [InlineData("/x/b", "/{p}/b")]
    [InlineData("/x/y", "/{*rest}")]
    [InlineData("/a/b/c", "/a/{*rest}")]
    [InlineData("/a/x/y/z", "/a/{*rest}")]
    [InlineData("/a", "/a/{*rest}")]
    [InlineData("/", "/{*rest}")]
    [InlineData("/a/x/d", "/a/{*rest}")]
    [InlineData("/x/x/d", "/{q}/x/d")]
    public void The_first_segment_that_differs_decides_literal_before_parameter_before_rest(string path, string expected)
    {
        string[] templates = ["/{*rest}", "/a/{*rest}", "/{p}/b", "/a/{p}", "/a/b", "/{q}/x/d"];
        Assert.Equal(expected, Find(Table(templates), path));
        Assert.Equal(expected, Find(Table([.. templates.Reverse()]), path));
    }

    [Theory]
    [InlineData("/a/b/d", "/{x}/b/d")]
    [InlineData("/a/y/d", "/{x}/{y}/d")]
    [InlineData("/a/b/c", "/a/b/c")]
    [InlineData("/a/b", "/{*rest}")]
    public void A_choice_that_leads_to_no_match_is_taken_back(string path, string expected) =>
        Assert.Equal(expected, Find(Table("/a/b/c", "/{x}/b/d", "/{x}/{y}/d", "/{*rest}"), path));

    [Fact]
    public void The_end_of_a_path_comes_before_an_empty_rest() => Assert.Equal("/a", Find(Table("/a/{*rest}", "/a"), "/a/"));

    [Fact]
    public void Values_come_with_the_value_and_are_null_without_parameters()
    {
        PathTable<string> table = Table("/chat/{room}", "/chat");
        Assert.True(table.TryFind("/chat/lobby", out _, out PathValues? values));
        Assert.Equal("lobby", values!["room"]);
        Assert.True(table.TryFind("/chat", out _, out values));
        Assert.Null(values);
        Assert.False(table.TryFind("/", out string? none, out values));
        Assert.Equal((null, null), (none, values));
    }

    [Theory]
    [InlineData("/a/{x}/b", "/a/{y}/b")]
    [InlineData("/a/{*x}", "/a/{*y}")]
    [InlineData("/", "/")]
    [InlineData("/a", "/a")]
    public void Templates_that_differ_in_names_alone_are_alike(string one, string other) =>
        Assert.Equal(one, Table(one).Like(PathTemplate.Parse(other))?.Value);

    [Theory]
    [InlineData("/a/{x}", "/a")]
    [InlineData("/a", "/a/{x}")]
    [InlineData("/a", "/{x}")]
    [InlineData("/{x}", "/a")]
    [InlineData("/{x}", "/{*x}")]
    [InlineData("/a", "/A")]
    [InlineData("/a/b", "/a/c")]
    public void Templates_that_match_other_paths_are_not_alike(string one, string other) => Assert.Null(Table(one).Like(PathTemplate.Parse(other)));

    [Fact]
    public void A_table_does_not_change_when_another_is_made_from_it()
    {
        PathTable<string> before = Table("/a/b", "/{p}", "/c/{*rest}");
        before.With(PathTemplate.Parse("/a/c"), "");
        before.With(PathTemplate.Parse("/{p}/d"), "");
        before.With(PathTemplate.Parse("/c/{p}"), "");
        Assert.Equal((null, null, "/c/{*rest}"), (Find(before, "/a/c"), Find(before, "/x/d"), Find(before, "/c/x")));
        Assert.Equal(["/a/b", "/{p}", "/c/{*rest}"], before.Templates.Select(template => template.Text), StringComparer.Ordinal);
    }

    [Fact]
    public void A_hostile_path_is_looked_at_no_further_than_the_templates_reach()
    {
        // With both choices at each of 20 levels, a search that tried every combination would take a million steps.
        string[] templates = [.. Enumerable.Range(0, 20).Select(i => $"{string.Concat(Enumerable.Repeat("/a", i))}/{{p}}{string.Concat(Enumerable.Repeat("/a", 19 - i))}/end")];
        PathTable<string> table = Table(templates);
        string path = string.Concat(Enumerable.Repeat("/a", 20));
        Assert.Equal(templates[^1], Find(table, path + "/end"));
        Assert.Null(Find(table, path + "/other"));
        Assert.Null(Find(table, new string('/', 30_000)));
        Assert.Null(Find(table, string.Concat(Enumerable.Repeat("/a", 10_000))));
    }

    [Fact]
    public void It_agrees_with_a_matcher_that_tries_every_template()
    {
        var random = new Random(14);
        string[] segments = ["a", "b", "{p}", "c"];
        for (int round = 0; round < 300; round++)
        {
            PathTable<string> table = PathTable<string>.Empty;
            List<PathTemplate> all = [];
            for (int i = 0; i < 8; i++)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(4)).Select(depth => "/" + segments[random.Next(4)].Replace("p", $"p{depth}", StringComparison.Ordinal)));
                if (random.Next(4) == 0)
                    text += "/{*rest}";
                var template = PathTemplate.Parse(text.Length == 0 ? "/" : text);
                if (table.Like(template) is not null)
                    continue;
                all.Add(template);
                table = table.With(template, template.Text);
            }

            for (int i = 0; i < 20; i++)
            {
                string path = "/" + string.Join('/', Enumerable.Range(0, random.Next(5)).Select(_ => (string[])["a", "b", "c", "x", "..", ""]).Select(names => names[random.Next(6)]));
                string? expected = all.Where(template => Matches(template, path)).OrderBy(Order, StringComparer.Ordinal).FirstOrDefault()?.Text;
                Assert.Equal(expected, Find(table, path));
            }
        }

        // A literal before a parameter before the end or a rest, at the first segment that differs.
        static string Order(PathTemplate template) => string.Concat(template.Segments.ToArray().Select(segment => segment.Kind switch { PathSegmentKind.Literal => '0', PathSegmentKind.Parameter => '1', _ => '2' }));

        static bool Matches(PathTemplate template, string path)
        {
            string[] parts = path == "/" ? [] : path[1..(path.EndsWith('/') ? ^1 : ^0)].Split('/');
            ReadOnlySpan<PathSegment> all = template.Segments;
            bool hasRest = all is [.., { Kind: PathSegmentKind.Rest }];
            int count = hasRest ? all.Length - 1 : all.Length;
            if (hasRest ? parts.Length < count : parts.Length != count)
                return false;
            for (int i = 0; i < count; i++)
            {
                if (all[i].Kind == PathSegmentKind.Literal ? parts[i] != all[i].Text : parts[i] is "" or "." or "..")
                    return false;
            }

            return !parts.Skip(count).Any(part => part is "." or "..");
        }
    }
}
