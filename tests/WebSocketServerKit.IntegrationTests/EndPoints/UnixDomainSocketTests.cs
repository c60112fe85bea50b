using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.Versioning;
using WebSocketServerKit.TestKit;

namespace WebSocketServerKit.EndPoints;

/// <summary>The files of Unix domain sockets: their permissions, and who removes them.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class UnixDomainSocketTests : IDisposable
{
    private const UnixFileMode ForTheGroup = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    private readonly SocketFiles _files = new();
    private readonly string _path;
    private readonly UnixDomainSocketEndPoint _endPoint;

    public UnixDomainSocketTests()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no permissions of this kind.");
        _path = _files.Path("app.sock");
        _endPoint = new UnixDomainSocketEndPoint(_path);
    }

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData(ForTheGroup)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [InlineData(ForTheGroup | UnixFileMode.OtherRead | UnixFileMode.OtherWrite)]
    public async Task The_file_has_the_permissions_that_the_options_say(UnixFileMode mode)
    {
        ListenOptions options = new() { SocketFileMode = mode };
        string second = _files.Path("second.sock");
        await using TestServer server = await TestServer.StartEchoAsync(o => o.Listen(_endPoint, options));
        server.Server.Listen($"unix:{second}", options);
        Assert.Equal((mode, mode), (File.GetUnixFileMode(_path), File.GetUnixFileMode(second)));
        foreach (EndPoint endPoint in server.Server.EndPoints)
            await EndPointClient.AssertServedAsync(endPoint);
    }

    [Fact]
    public async Task The_file_of_a_server_that_was_killed_is_replaced_and_gets_the_permissions()
    {
        LeaveStaleFile();
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Listen(_endPoint, new ListenOptions { SocketFileMode = ForTheGroup }));
        Assert.Equal(ForTheGroup, File.GetUnixFileMode(_path));
        await EndPointClient.AssertServedAsync(_endPoint);
    }

    [Fact]
    public async Task The_file_is_removed_on_stop_and_clients_of_the_next_start_get_a_new_one()
    {
        await using TestServer server = await TestServer.StartEchoAsync(options => options.Listen(_endPoint));
        for (int i = 0; i < 3; i++)
        {
            await EndPointClient.AssertServedAsync(_endPoint);
            await server.Server.StopAsync(TestServer.Timely);
            Assert.False(File.Exists(_path));
            await server.Server.StartAsync(TestServer.Timely);
        }

        server.Server.Dispose();
        Assert.False(File.Exists(_path));
    }

    [Fact]
    public async Task The_file_is_removed_with_its_end_point_which_can_be_listened_on_again_at_once_though_a_client_stays()
    {
        await using TestServer server = await TestServer.StartEchoAsync();
        for (int i = 0; i < 3; i++)
        {
            EndPoint added = Assert.Single(server.Server.Listen(_endPoint));
            using ClientWebSocket client = await EndPointClient.ConnectAsync(added);
            Assert.True(server.Server.StopListening(new UnixDomainSocketEndPoint(_path))); // by its name, not by the object
            Assert.False(File.Exists(_path));
            await client.AssertEchoAsync();
        }
    }

    [Fact]
    public async Task The_socket_of_another_server_and_a_file_that_is_no_socket_are_left_alone()
    {
        await using TestServer first = await TestServer.StartEchoAsync(options => options.Listen(_endPoint));
        await using TestServer second = await TestServer.StartEchoAsync();
        IOException taken = Assert.Throws<IOException>(() => second.Server.Listen(_endPoint, new ListenOptions { SocketFileMode = ForTheGroup }));
        Assert.Contains("a program listens on it, or a file that is no socket has its name.", taken.Message, StringComparison.Ordinal);
        await EndPointClient.AssertServedAsync(_endPoint);

        string document = _files.Path("document");
        await File.WriteAllTextAsync(document, "precious", TestServer.Timely);
        Assert.Throws<IOException>(() => second.Server.Listen($"unix:{document}"));
        Assert.Equal("precious", await File.ReadAllTextAsync(document, TestServer.Timely));
    }

    [Fact]
    public async Task Permissions_that_cannot_be_set_are_an_error_that_says_what_to_do()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has sockets without a file.");
        await using TestServer server = await TestServer.StartEchoAsync();
        UnixDomainSocketEndPoint withoutFile = new($"\0wsk-{Guid.NewGuid():N}");
        IOException failure = Assert.Throws<IOException>(() => server.Server.Listen(withoutFile, new ListenOptions { SocketFileMode = ForTheGroup }));
        Assert.EndsWith("Choose another folder, or leave SocketFileMode out.", failure.Message, StringComparison.Ordinal);
        await EndPointClient.AssertServedAsync(Assert.Single(server.Server.Listen(withoutFile)));
    }

    [Fact]
    public async Task When_another_end_point_fails_the_file_is_removed()
    {
        await using TestServer other = await TestServer.StartEchoAsync();
        await using WebSocketServer server = new(new WebSocketServerOptions().Listen(_endPoint).Listen(other.EndPoint));
        await Assert.ThrowsAsync<IOException>(() => server.StartAsync(TestServer.Timely));
        Assert.False(File.Exists(_path));
    }

    private void LeaveStaleFile()
    {
        // .NET removes the file when it disposes of the socket that it has bound, so the file of another name is moved here.
        string other = _files.Path("other.sock");
        using (Socket killed = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            killed.Bind(new UnixDomainSocketEndPoint(other));
            File.Move(other, _path);
        }

        Assert.True(File.Exists(_path));
    }
}
