using WebSocketServerKit.Protocol.Handshake;

namespace WebSocketServerKit.Serving.Paths;

/// <summary>What a segment of a template matches.</summary>
internal enum PathSegmentKind
{
    /// <summary>One segment with just this text.</summary>
    Literal,

    /// <summary>Any one segment that is not empty.</summary>
    Parameter,

    /// <summary>All further segments, also none.</summary>
    Rest,
}

/// <summary>One segment of a template.</summary>
/// <param name="Kind">What it matches.</param>
/// <param name="Text">The text of a literal, the name of a parameter.</param>
internal readonly record struct PathSegment(PathSegmentKind Kind, string Text);

/// <summary>A template of paths, such as <c>/chat/{room}</c>: literal segments, parameters, and at the end perhaps a rest. Immutable.</summary>
internal sealed class PathTemplate
{
    private readonly PathSegment[] _segments;
    private readonly string[] _names;

    private PathTemplate(string text, PathSegment[] segments)
    {
        Text = text;
        _segments = segments;
        _names = [.. segments.Where(segment => segment.Kind != PathSegmentKind.Literal).Select(segment => segment.Text)];
    }

    /// <summary>The template as it was written.</summary>
    public string Text { get; }

    /// <summary>Its segments; none for <c>/</c>.</summary>
    public ReadOnlySpan<PathSegment> Segments => _segments;

    /// <exception cref="ArgumentException">The text is no template; the message tells what to write.</exception>
    public static PathTemplate Parse(string template)
    {
        if (!template.StartsWith('/'))
            throw Wrong(template, "does not begin with a slash: write \"/chat\" or \"/chat/{room}\"");
        if (template.AsSpan().ContainsAny('?', '#'))
            throw Wrong(template, "has a ? or a #, which are not part of a path. The query is in HandshakeRequest.Query");
        if (template.Any(char.IsControl))
            throw Wrong(template, "has a control character, which no path has");
        if (template == "/")
            return new PathTemplate(template, []);
        if (template.EndsWith('/'))
            throw Wrong(template, $"ends with a slash. Write \"{template.TrimEnd('/')}\", which matches a path with a slash at its end too");

        List<PathSegment> segments = [];
        foreach (string text in template[1..].Split('/'))
        {
            if (segments is [.., { Kind: PathSegmentKind.Rest }])
                throw Wrong(template, "has a segment after its rest. {*name} takes all that follows, so it has to be the last segment");
            PathSegment segment = ParseSegment(template, text);
            if (segment.Kind != PathSegmentKind.Literal && segments.Any(other => other.Kind != PathSegmentKind.Literal && other.Text == segment.Text))
                throw Wrong(template, $"has two parameters with the name \"{segment.Text}\". Give each its own name");
            segments.Add(segment);
        }

        return new PathTemplate(template, [.. segments]);
    }

    /// <summary>The values of its parameters in a path that it matches; null if it has no parameters.</summary>
    public PathValues? Read(string path)
    {
        if (_names.Length == 0)
            return null;
        string[] values = new string[_names.Length];
        int count = 0;
        PathReader reader = new(path);
        foreach (PathSegment segment in _segments)
        {
            if (segment.Kind == PathSegmentKind.Rest)
            {
                values[count] = reader.Rest.ToString();
                break;
            }

            reader.TryRead(out ReadOnlySpan<char> text);
            if (segment.Kind == PathSegmentKind.Parameter)
                values[count++] = text.ToString();
        }

        return new PathValues(Text, _names, values);
    }

    private static PathSegment ParseSegment(string template, string text)
    {
        if (text.Length == 0)
            throw Wrong(template, "has an empty segment: two slashes side by side");
        if (text is "." or "..")
            throw Wrong(template, $"has the segment \"{text}\", which clients resolve before they send a path");
        if (!text.AsSpan().ContainsAny('{', '}'))
        {
            string decoded = PercentEncoding.DecodePath(text);
            return decoded == text ? new PathSegment(PathSegmentKind.Literal, text) : throw Wrong(template, $"has the escape \"{text}\", but is compared with decoded paths: write \"{decoded}\"");
        }

        if (text is not ['{', .. string inside, '}'] || inside.AsSpan().ContainsAny('{', '}'))
            throw Wrong(template, $"has braces inside of the segment \"{text}\". A parameter is a whole segment: /{{room}}");
        bool isRest = inside.StartsWith('*');
        string name = inside.TrimStart('*');
        if (name.Length == 0 || name.Any(character => !char.IsLetterOrDigit(character) && character is not ('_' or '-')))
        {
            throw Wrong(template, $"has the parameter \"{text}\". Its name may have letters, digits, _ and -; there are no constraints and no default values: check the value in a handler of Handshaking");
        }

        return new PathSegment(isRest ? PathSegmentKind.Rest : PathSegmentKind.Parameter, name);
    }

    private static ArgumentException Wrong(string template, string problem) => new($"The template \"{template}\" {problem}.", nameof(template));
}
