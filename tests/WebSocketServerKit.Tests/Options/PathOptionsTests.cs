using System.Reflection;
using WebSocketServerKit.Connections;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.Options;

public sealed class PathOptionsTests
{
    private static readonly ConnectionSettings Server = ConnectionStage.DefaultSettings(System.Buffers.ArrayPool<byte>.Shared);

    [Fact]
    public void Nothing_is_set_at_first_and_valid()
    {
        var options = new PathOptions();
        options.Validate();
        Assert.All(typeof(PathOptions).GetProperties(), option => Assert.Null(option.GetValue(options)));
        Assert.Same(Server, options.ToBase(Server));
    }

    public static TheoryData<string, Action<PathOptions>> Impossible => new()
    {
        { "PathOptions.MaxMessageSize is 0; it must be from 1 to ", o => o.MaxMessageSize = 0 },
        { "PathOptions.SendQueueLimit is 1023; it must be from 1024 to ", o => o.SendQueueLimit = 1023 },
        { "PathOptions.SlowClients is 7; it must be one of Wait, DropNewest, DropOldest, Disconnect.", o => o.SlowClients = (SlowClientPolicy)7 },
        { "PathOptions.SendBufferSize is 1023; it must be from 1024 to ", o => o.SendBufferSize = 1023 },
        { "PathOptions.HandlerExceptions is 7; it must be one of CloseClient, KeepClient.", o => o.HandlerExceptions = (HandlerExceptionPolicy)7 },
        { "PathOptions.MaxClients is 0; it must be from 1 to 2147483647.", o => o.MaxClients = 0 },
        { "PathOptions.Subprotocols: \"a b\" is no subprotocol name", o => o.Subprotocols = ["a b"] },
        { "PathOptions.AllowedOrigins: \"https://a.example/chat\" has a path", o => o.AllowedOrigins = ["https://a.example/chat"] },
        { "PathOptions.AllowedOrigins has an entry that is null.", o => o.AllowedOrigins = [null!] },
        { "PerMessageDeflateOptions.MaxContexts is -1", o => o.PerMessageDeflate = new PerMessageDeflateOptions { MaxContexts = -1 } },
    };

    [Theory]
    [MemberData(nameof(Impossible), DisableDiscoveryEnumeration = true)]
    public void What_the_server_cannot_use_is_named(string message, Action<PathOptions> spoil)
    {
        var options = new PathOptions();
        spoil(options);
        Assert.StartsWith(message, Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_copy_has_every_option_and_does_not_change_with_its_original()
    {
        var options = new PathOptions
        {
            MaxMessageSize = 1,
            Subprotocols = ["a"],
            AllowedOrigins = ["https://a.example"],
            PerMessageDeflate = new PerMessageDeflateOptions { MaxContexts = 5 },
            MaxClients = 7,
        };
        PathOptions copy = options.Copy();
        options.MaxMessageSize = 2;
        options.Subprotocols.Add("b");
        options.AllowedOrigins.Clear();
        options.PerMessageDeflate.MaxContexts = 6;
        Assert.Equal((1, 5, 7), (copy.MaxMessageSize, copy.PerMessageDeflate?.MaxContexts, copy.MaxClients));
        Assert.Equal("a", Assert.Single(copy.Subprotocols!));
        Assert.Equal("https://a.example", Assert.Single(copy.AllowedOrigins!));
        Assert.All(
            typeof(PathOptions).GetProperties(BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.Instance), option => Assert.NotNull(option.GetValue(copy)));
        Assert.Null(new PathOptions().Copy().Subprotocols);
    }

    [Fact]
    public void Compression_of_its_own_has_limits_of_its_own()
    {
        ConnectionSettings server = Server with { Compression = new PerMessageDeflateOptions().ToCompressionSettings() };
        ConnectionSettings own = new PathOptions { PerMessageDeflate = new PerMessageDeflateOptions { ServerContextTakeover = true } }.ToBase(server);
        Assert.False(own.Compression!.Wanted.ServerNoContextTakeover);
        Assert.NotSame(server.Compression!.Limits, own.Compression.Limits);
        Assert.Equal(server, own with { Compression = server.Compression });
    }
}
