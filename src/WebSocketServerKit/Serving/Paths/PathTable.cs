using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace WebSocketServerKit.Serving.Paths;

/// <summary>
/// Finds the template that matches a path. At each segment a literal comes before a parameter, and a parameter before a rest; if that leads to no match, the next one is tried. A parameter matches no empty
/// segment, and neither parameter nor rest match the segments <c>.</c> and <c>..</c>, so that a value names nothing outside of its place.
/// <para>Immutable: <see cref="With"/> makes another table. The time for a path is bounded by the number of segments of all templates, not by the path.</para>
/// </summary>
internal sealed class PathTable<TValue>
    where TValue : class
{
    public static readonly PathTable<TValue> Empty = new(Node.Empty, []);

    private readonly Node _root;

    private PathTable(Node root, ImmutableArray<PathTemplate> templates)
    {
        _root = root;
        Templates = templates;
    }

    /// <summary>All templates, in the order in which they were added.</summary>
    public ImmutableArray<PathTemplate> Templates { get; }

    /// <summary>Finds the value of the template that matches a path.</summary>
    /// <param name="path">A decoded path. It begins with a slash.</param>
    /// <param name="value">The value that was added with the template.</param>
    /// <param name="values">What the parameters of the template are in this path; null if it has none.</param>
    public bool TryFind(string path, [NotNullWhen(true)] out TValue? value, out PathValues? values)
    {
        Entry? found = _root.Find(new PathReader(path));
        value = found?.Value;
        values = found?.Template.Read(path);
        return value is not null;
    }

    /// <summary>The template that matches the same paths as this one, names of parameters aside, and its value. Null if there is none.</summary>
    public (PathTemplate Template, TValue Value)? Like(PathTemplate template) => _root.Like(template.Segments) is { } entry ? (entry.Template, entry.Value) : null;

    /// <summary>This table and one more template, which matches other paths than each of those.</summary>
    public PathTable<TValue> With(PathTemplate template, TValue value) => new(_root.With(template.Segments, new Entry(template, value)), Templates.Add(template));

    private sealed record Entry(PathTemplate Template, TValue Value);

    private sealed record Node
    {
        public static readonly Node Empty = new();

        private Dictionary<string, Node>? Literals { get; init; }

        private Node? Parameter { get; init; }

        private Entry? Rest { get; init; }

        private Entry? End { get; init; }

        public Entry? Find(PathReader path)
        {
            PathReader further = path;
            if (!further.TryRead(out ReadOnlySpan<char> segment))
                return End ?? Rest;
            if (Literals is not null && Literals.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(segment, out Node? literal) && literal.Find(further) is { } exact)
                return exact;
            if (Parameter is not null && !segment.IsEmpty && !IsDots(segment) && Parameter.Find(further) is { } entry)
                return entry;
            return Rest is not null && HasNoDots(path) ? Rest : null;
        }

        public Entry? Like(ReadOnlySpan<PathSegment> segments) => segments switch
        {
            [] => End,
            [{ Kind: PathSegmentKind.Rest }] => Rest,
            [{ Kind: PathSegmentKind.Parameter }, ..] => Parameter?.Like(segments[1..]),
            [var literal, ..] => Literals?.GetValueOrDefault(literal.Text)?.Like(segments[1..]),
        };

        public Node With(ReadOnlySpan<PathSegment> segments, Entry entry)
        {
            switch (segments)
            {
                case []:
                    return this with { End = entry };
                case [{ Kind: PathSegmentKind.Rest }]:
                    return this with { Rest = entry };
                case [{ Kind: PathSegmentKind.Parameter }, ..]:
                    return this with { Parameter = (Parameter ?? Empty).With(segments[1..], entry) };
                default:
                    var literals = new Dictionary<string, Node>(Literals ?? [], StringComparer.Ordinal);
                    literals[segments[0].Text] = literals.GetValueOrDefault(segments[0].Text, Empty).With(segments[1..], entry);
                    return this with { Literals = literals };
            }
        }

        private static bool IsDots(ReadOnlySpan<char> segment) => segment is "." or "..";

        private static bool HasNoDots(PathReader path)
        {
            while (path.TryRead(out ReadOnlySpan<char> segment))
            {
                if (IsDots(segment))
                    return false;
            }

            return true;
        }
    }
}
