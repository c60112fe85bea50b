using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using WebSocketServerKit.TestKit;
using WebSocketServerKit.Transport.Sockets;

namespace WebSocketServerKit.Options;

public sealed class ListenOptionsTests
{
    public static TheoryData<string, ListenOptions> Impossible => new()
    {
        { ".Backlog is 0; it must be from 1 to 2147483647.", new() { Backlog = 0 } },
        { ".UnsentLimit is 0", new() { UnsentLimit = 0 } },
        { ".SendBufferSize is -1", new() { SendBufferSize = -1 } },
        { ".ReceiveBufferSize is 0", new() { ReceiveBufferSize = 0 } },
        { ".TcpKeepAliveTime is 00:00:00.5000000; it must be from 1 s to 9 h.", new() { TcpKeepAliveTime = TimeSpan.FromSeconds(0.5) } },
        { ".TcpKeepAliveInterval is 10:00:00", new() { TcpKeepAliveTime = TimeSpan.FromSeconds(1), TcpKeepAliveInterval = TimeSpan.FromHours(10) } },
        { ".TcpKeepAliveRetryCount is 128", new() { TcpKeepAliveTime = TimeSpan.FromSeconds(1), TcpKeepAliveRetryCount = 128 } },
        { ".TcpKeepAliveTime is null, so", new() { TcpKeepAliveInterval = TimeSpan.FromSeconds(1) } },
        { ".TcpKeepAliveTime is null, so", new() { TcpKeepAliveRetryCount = 3 } },
        { OperatingSystem.IsLinux() ? ".ReusePort lets others listen on the same port" : ".ReusePort is true, which needs Linux.", new() { ReusePort = true, ExclusiveAddressUse = true } },
        { ".Tls is not complete: it has no certificate.", new() { Tls = new() } },
    };

    [Theory]
    [MemberData(nameof(Impossible), DisableDiscoveryEnumeration = true)]
    public void An_impossible_value_is_named(string problem, ListenOptions options) => Assert.StartsWith(problem, options.Check(), StringComparison.Ordinal);

    [Fact]
    public void The_defaults_are_possible() => Assert.Null(new ListenOptions().Check());

    [Fact]
    public void A_port_can_be_shared_on_Linux()
    {
        ListenOptions options = new() { ReusePort = true, ExclusiveAddressUse = false };
        if (OperatingSystem.IsLinux())
            Assert.Null(options.Check());
        else
            Assert.StartsWith(".ReusePort is true, which needs Linux.", options.Check(), StringComparison.Ordinal);
    }

    [Fact]
    public void TLS_alone_makes_options()
    {
        TlsOptions tls = TlsOptions.FromCertificate(TlsPair.Certificate);
        ListenOptions options = tls;
        Assert.Same(tls, options.Tls);
        Assert.Null(options.Check());
        options = (TlsOptions)new SslServerAuthenticationOptions { ServerCertificate = new X509Certificate2(TlsPair.Certificate) };
        Assert.Null(options.Check());
    }

    [Fact]
    public void All_values_reach_the_sockets()
    {
        SocketSettings settings = new ListenOptions
        {
            Backlog = 1,
            NoDelay = false,
            UnsentLimit = null,
            SendBufferSize = 2,
            ReceiveBufferSize = 3,
            TcpKeepAliveTime = TimeSpan.FromSeconds(4),
            TcpKeepAliveInterval = TimeSpan.FromSeconds(5),
            TcpKeepAliveRetryCount = 6,
            DualMode = false,
            ExclusiveAddressUse = true,
            ReusePort = true,
            SocketFileMode = UnixFileMode.UserWrite,
        }.ToSocketSettings();
        Assert.Equal((1, false, 2, 3), (settings.Backlog, settings.NoDelay, settings.SendBufferSize, settings.ReceiveBufferSize));
        Assert.Equal((4.0, 5.0, 6), (settings.TcpKeepAliveTime!.Value.TotalSeconds, settings.TcpKeepAliveInterval!.Value.TotalSeconds, settings.TcpKeepAliveRetryCount!.Value));
        Assert.Equal((false, true, true, UnixFileMode.UserWrite), (settings.DualMode, settings.ExclusiveAddressUse, settings.ReusePort, settings.FileMode));
    }
}
