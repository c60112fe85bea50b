namespace WebSocketServerKit.Serving.Paths;

public sealed class PathTemplateTests
{
    [Theory]
    [InlineData("/", "")]
    [InlineData("/chat", "Literal chat")]
    [InlineData("/chat/{room}", "Literal chat, Parameter room")]
    [InlineData("/{tenant}/chat/{room-name}/v2", "Parameter tenant, Literal chat, Parameter room-name, Literal v2")]
    [InlineData("/files/{*rest}", "Literal files, Rest rest")]
    [InlineData("/{*all}", "Rest all")]
    [InlineData("/café/room 1", "Literal café, Literal room 1")]
    [InlineData("/a%2Fb/100%", "Literal a%2Fb, Literal 100%")]
    [InlineData("/...", "Literal ...")]
    public void A_template_has_segments(string text, string expected)
    {
        var template = PathTemplate.Parse(text);
        Assert.Equal(text, template.Text);
        Assert.Equal(expected, string.Join(", ", template.Segments.ToArray().Select(segment => $"{segment.Kind} {segment.Text}")));
    }

    [Theory]
    [InlineData("", "does not begin with a slash: write \"/chat\" or \"/chat/{room}\".")]
    [InlineData("chat", "does not begin with a slash")]
    [InlineData("ws://localhost/chat", "does not begin with a slash")]
    [InlineData("/chat/", "ends with a slash. Write \"/chat\", which")]
    [InlineData("/chat//", "ends with a slash. Write \"/chat\", which")]
    [InlineData("/a//b", "has an empty segment")]
    [InlineData("//a", "has an empty segment")]
    [InlineData("/a/../b", "has the segment \"..\"")]
    [InlineData("/.", "has the segment \".\"")]
    [InlineData("/chat?room=1", "has a ? or a #")]
    [InlineData("/chat#1", "has a ? or a #")]
    [InlineData("/a\nb", "has a control character")]
    [InlineData("/caf%C3%A9", "has the escape \"caf%C3%A9\", but is compared with decoded paths: write \"café\".")]
    [InlineData("/a%2fb", "write \"a%2Fb\"")]
    [InlineData("/room{id}", "has braces inside of the segment \"room{id}\". A parameter is a whole segment")]
    [InlineData("/{a}{b}", "has braces inside")]
    [InlineData("/{a", "has braces inside")]
    [InlineData("/a}", "has braces inside")]
    [InlineData("/{{a}}", "has braces inside")]
    [InlineData("/{}", "has the parameter \"{}\"")]
    [InlineData("/{*}", "has the parameter \"{*}\"")]
    [InlineData("/{id:int}", "there are no constraints")]
    [InlineData("/{id?}", "has a ? or a #")]
    [InlineData("/{id=1}", "there are no constraints and no default values")]
    [InlineData("/{*rest}/more", "has a segment after its rest")]
    [InlineData("/{a}/{a}", "has two parameters with the name \"a\"")]
    [InlineData("/{a}/{*a}", "has two parameters with the name \"a\"")]
    public void What_is_no_template_is_refused_with_what_to_write(string text, string problem)
    {
        ArgumentException refusal = Assert.Throws<ArgumentException>("template", () => PathTemplate.Parse(text));
        Assert.StartsWith($"The template \"{text}\" ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/chat", "/chat", null)]
    [InlineData("/chat/{room}", "/chat/lobby", "room=lobby")]
    [InlineData("/chat/{room}", "/chat/lobby/", "room=lobby")]
    [InlineData("/{a}/x/{b}", "/1/x/2", "a=1 b=2")]
    [InlineData("/{a}/{*b}", "/1", "a=1 b=")]
    [InlineData("/{a}/{*b}", "/1/", "a=1 b=")]
    [InlineData("/{a}/{*b}", "/1/2/3", "a=1 b=2/3")]
    [InlineData("/{a}/{*b}", "/1/2//3/", "a=1 b=2//3/")]
    [InlineData("/{*b}", "/", "b=")]
    [InlineData("/{a}", "/x%2Fy", "a=x%2Fy")]
    public void Values_are_read_from_a_path_that_matches(string template, string path, string? expected)
    {
        PathValues? values = PathTemplate.Parse(template).Read(path);
        Assert.Equal(expected, values is null ? null : string.Join(' ', values.Select(value => $"{value.Key}={value.Value}")));
    }
}
