namespace WebSocketServerKit.Architecture;

public sealed class LayersTests
{
    [Fact]
    public void Arrows_point_down_only() => Findings.AssertNone(Layers.ForbiddenArrows(SourceTree.Library));

    [Fact]
    public void Protocol_and_Buffers_are_pure_code() => Findings.AssertNone(Layers.Impurities(SourceTree.Library, "Protocol", "Buffers"));

    [Fact]
    public void Public_types_have_the_root_namespace_and_internal_ones_that_of_their_folder() =>
        Findings.AssertNone(Layers.MisplacedNamespaces(SourceTree.Library));

    [Fact]
    public void Every_folder_has_its_place_in_the_house() =>
        AssertSame(Layers.MayName.Keys, SourceTree.Library.Select(file => file.Layer));

    [Fact]
    public void What_carries_bytes_lies_in_rooms_that_do_not_name_each_other_and_the_seam_names_none() =>
        Findings.AssertNone(Layers.ArrowsBetweenRooms(SourceTree.Library, "Transport"));

    [Fact]
    public void Transport_has_the_rooms_that_are_on_the_map() =>
        AssertSame(
            ["Transport", "Transport/EventLoops", "Transport/Pipes", "Transport/Proxies", "Transport/Sockets", "Transport/Tls"],
            SourceTree.Library.Where(file => file.Layer is "Transport").Select(file => file.Folder));

    // What follows shows that the tests above can fail.

    [Fact]
    public void Knows_every_type_of_the_library()
    {
        IEnumerable<Type> compiled = typeof(WebSocketServer).Assembly.GetTypes()
            .Where(type => !type.IsNested && type.Namespace?.Split('.')[0] == nameof(WebSocketServerKit))
            .Where(type => !type.Name.Contains('<', StringComparison.Ordinal)); // the compiler's own
        AssertSame(compiled.Select(type => type.Name.Split('`')[0]), Layers.TypesIn(SourceTree.Library));
    }

    [Fact]
    public void Sees_an_arrow_that_points_up()
    {
        SourceFile[] files = [
            new("Server.cs", "namespace WebSocketServerKit; public class Server { }"),
            new("Connections/Loop.cs", "internal sealed partial class Loop { Server _server; Listener _listener; }"),
            new("Transport/Listener.cs", "internal abstract class Listener { Parser _parser; }"),
            new("Protocol/Framing/Parser.cs", "internal readonly record struct Parser(Rented Buffer) { Loop Loop => null; }"),
            new("Buffers/Rented.cs", "using WebSocketServerKit.Protocol.Framing; enum Rented { }")];
        Assert.Equal(
            [
                "Connections/Loop.cs names Server of the root folder", "Transport/Listener.cs names Parser of Protocol",
                "Protocol/Framing/Parser.cs names Loop of Connections", "Buffers/Rented.cs uses the namespace of Protocol",
            ],
            Layers.ForbiddenArrows(files), StringComparer.Ordinal);
    }

    [Fact]
    public void Lets_the_log_tell_the_cause_of_an_end_and_nothing_else_of_a_connection()
    {
        SourceFile[] files = [
            new("Connections/DisconnectCause.cs", "public enum DisconnectCause { }"),
            new("Connections/Loop.cs", "internal delegate void Loop(int i);"),
            new("Diagnostics/Log.cs", "interface Log { void Left(DisconnectCause cause, Loop loop); }")];
        Assert.Equal(["Diagnostics/Log.cs names Loop of Connections"], Layers.ForbiddenArrows(files), StringComparer.Ordinal);
    }

    [Fact]
    public void Sees_an_arrow_from_one_room_to_another()
    {
        SourceFile[] files = [
            new("Transport/Seam.cs", "internal abstract class Seam { Tcp _tcp; }"),
            new("Transport/Sockets/Tcp.cs", "internal sealed class Tcp : Seam { Tcp _tcp; }"),
            new("Transport/Pipes/Duplex.cs", "internal sealed class Duplex : Seam { Tcp _tcp; }"),
            new("Serving/Run.cs", "internal sealed class Run { Tcp _tcp; }")];
        Assert.Equal(
            ["Transport/Seam.cs names Tcp of Transport/Sockets", "Transport/Pipes/Duplex.cs names Tcp of Transport/Sockets"],
            Layers.ArrowsBetweenRooms(files, "Transport"), StringComparer.Ordinal);
    }

    [Fact]
    public void Does_not_take_comments_texts_and_inner_types_for_arrows()
    {
        SourceFile[] files = [
            new("Server.cs", "public class Server { enum State { } }"),
            new("Buffers/Rented.cs", "/* Server */ class Rented { string _name = \"Server\"; /// <see cref=\"Server\"/>\n int State; }")];
        Assert.Empty(Layers.ForbiddenArrows(files));
    }

    [Theory]
    [InlineData("Task Run();", "Task")]
    [InlineData("long Age => DateTime.UtcNow.Ticks;", "UtcNow")]
    [InlineData("void Write(Stream stream);", "Stream")]
    [InlineData("using Microsoft.Extensions.Logging;", "Logging")]
    public void Sees_what_is_not_pure(string code, string word)
    {
        Assert.Equal([$"Protocol/X.cs names {word}"], Layers.Impurities([new("Protocol/X.cs", code)], "Protocol"), StringComparer.Ordinal);
        Assert.Empty(Layers.Impurities([new("Connections/X.cs", code)], "Protocol"));
    }

    [Fact]
    public void Lets_compression_name_streams_and_nothing_else_that_is_not_pure() =>
        Assert.Equal(
            ["Protocol/Compression/X.cs names Task"],
            Layers.Impurities([new("Protocol/Compression/X.cs", "Task Write(Stream stream);")], "Protocol"), StringComparer.Ordinal);

    [Fact]
    public void Sees_a_namespace_that_does_not_fit()
    {
        SourceFile[] files = [
            new("Protocol/Framing/A.cs", "namespace WebSocketServerKit.Protocol; internal sealed class A;"),
            new("Protocol/Framing/B.cs", "namespace WebSocketServerKit.Protocol.Framing; public readonly record struct B;"),
            new("Protocol/Framing/C.cs", "namespace WebSocketServerKit.Protocol.Framing; internal static class C { public class D; }"),
            new("Protocol/Framing/E.cs", "namespace WebSocketServerKit; public enum E;")];
        Assert.Equal(
            [
                "Protocol/Framing/A.cs has the namespace WebSocketServerKit.Protocol",
                "Protocol/Framing/B.cs has the namespace WebSocketServerKit.Protocol.Framing",
            ],
            Layers.MisplacedNamespaces(files), StringComparer.Ordinal);
    }

    private static void AssertSame(IEnumerable<string> expected, IEnumerable<string> actual) =>
        Assert.Equal(expected.ToHashSet(StringComparer.Ordinal), actual.ToHashSet(StringComparer.Ordinal));
}
