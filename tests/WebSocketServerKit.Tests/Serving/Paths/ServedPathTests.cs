using WebSocketServerKit.Connections;
using WebSocketServerKit.Protocol.Handshake;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Serving.Paths;

public sealed class ServedPathTests
{
    private static readonly ConnectionSettings Server = ConnectionStage.DefaultSettings(System.Buffers.ArrayPool<byte>.Shared) with { Compression = new PerMessageDeflateOptions().ToCompressionSettings() };
    private static readonly AccessRules Access = new(new HostRules([]), new OriginRules(["https://server.example"]));
    private static readonly string[] Subprotocols = ["server"];

    private static ServedPath Serve(PathOptions options) => new(options, Server, Access, Subprotocols);

    [Fact]
    public void A_path_that_changes_nothing_shares_all_that_the_server_has()
    {
        ServedPath path = Serve(new PathOptions());
        Assert.Same(Server, path.Base);
        Assert.Same(Server, path.Settings);
        Assert.Same(Access, path.Access);
        Assert.Same(Subprotocols, path.Subprotocols);
    }

    [Fact]
    public void Compression_of_the_path_is_in_the_base_even_if_it_is_not_allowed()
    {
        ServedPath path = Serve(new PathOptions { PerMessageDeflate = new PerMessageDeflateOptions { MinMessageSize = 7 }, AllowsCompression = false, MaxMessageSize = 9 });
        Assert.Equal((7, null), (path.Base.Compression?.MinMessageSize, path.Settings.Compression));
        Assert.Equal((Server.MaxMessageSize, 9), (path.Base.MaxMessageSize, path.Settings.MaxMessageSize));
    }

    [Fact]
    public void Lists_of_the_path_replace_those_of_the_server_also_if_they_are_empty()
    {
        Assert.Equal(["v2"], Serve(new PathOptions { Subprotocols = ["v2"] }).Subprotocols);
        Assert.Empty(Serve(new PathOptions { Subprotocols = [] }).Subprotocols);
        HandshakeRequest request = RequestHeads.Parse(RequestHeads.Sample.Replace("Origin: http://example.com", "Origin: https://path.example", StringComparison.Ordinal));
        Assert.Equal("https://path.example", request.Origin);
        Assert.Equal(HandshakeViolation.OriginNotAllowed, Access.Check(request, System.Net.IPAddress.Any));
        Assert.Equal(HandshakeViolation.None, Serve(new PathOptions { AllowedOrigins = ["https://path.example"] }).Access.Check(request, System.Net.IPAddress.Any));
        Assert.Equal(HandshakeViolation.OriginNotAllowed, Serve(new PathOptions { AllowedOrigins = [] }).Access.Check(request, System.Net.IPAddress.Any));
    }
}
